"""Atoms that are held in place while others move."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.constraints import FixCartesian, FixedLine, FixedPlane, FixScaled
from numpy.typing import NDArray

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import HELD_AXES, held_directions, held_otherwise

KEPT = ("FixAtoms", "FixCartesian", "FixedPlane", "FixedLine")
"""Constraints of ASE that a state can keep; each is a projection of the motion of one atom."""


def check_held(crystal: Crystal) -> None:
    """Refuse atoms that are held in a way that the reader of their file could not keep.

    Args:
        crystal: The structure of a file.

    Raises:
        ConfigError: There are some; they would move in silence.
    """
    if held_otherwise(crystal.site_properties):
        raise ConfigError(
            f"Atoms of '{crystal.id}' are held by bond lengths, a symmetry or the like, which are "
            "not kept, so that they would move; take these constraints out of the file, or hold "
            "the atoms in place or along axes."
        )


class FixFractions(FixScaled):
    """Holds fractional coordinates, and takes from forces what is across the free lattice vectors.

    ASE's class (3.29.0) keeps the coordinates, but multiplies forces by the cell where it should by
    its transpose. In a cell that is not rectangular what is left of a force is then zero elsewhere
    than at the minimum, and a relaxation reports convergence there. To files it is ASE's class.

    Args:
        indices: The atoms, ``(held,)``.
        mask: Whether the coordinate along each lattice vector is held, ``(3,)``.
    """

    def __init__(self, indices: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Hold the atoms."""
        super().__init__(indices, mask)  # type: ignore[no-untyped-call]  # ASE's has no types

    def adjust_forces(self, atoms: Any, forces: NDArray[np.float64]) -> None:
        """Project the forces of held atoms onto the free lattice vectors of the cell as it is.

        Args:
            atoms: ASE Atoms with a cell.
            forces: ``(atoms, 3)``, eV/Å; changed in place.
        """
        free = atoms.cell.array[~self.mask]
        if len(free) == 0:
            forces[self.index] = 0.0
            return
        along, _ = np.linalg.qr(free.T)  # an orthonormal basis of what they span
        forces[self.index] = forces[self.index] @ along @ along.T


def hold_fractions(atoms: Any) -> None:
    """Let constraints on fractional coordinates act on forces as they do on positions.

    Args:
        atoms: ASE Atoms; their constraints are changed.
    """
    atoms.set_constraint(
        [
            FixFractions(one.index, one.mask) if type(one) is FixScaled else one
            for one in atoms.constraints
        ]
    )


def hold(atoms: Any) -> None:
    """Bring constraints into a form in which forces, momenta and positions are projected alike.

    ASE's ``FixScaled`` keeps a coordinate along a lattice vector, and takes from momenta what is
    along that vector. In a cell that is not rectangular these are different directions, and the
    atom drifts. To keep the coordinate along a is to move in the plane of b and c.

    Args:
        atoms: ASE Atoms; their constraints are changed.

    Raises:
        ConfigError: There is a constraint of another kind.
    """
    constraints = []
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixScaled):
            constraints.append(constraint)
        elif constraint.mask.all():
            constraints.append(FixCartesian(constraint.index))
        elif constraint.mask.sum() == 2:
            direction = atoms.cell.array[~constraint.mask][0]
            constraints.append(FixedLine(constraint.index, direction))
        elif constraint.mask.any():
            first, second = atoms.cell.array[~constraint.mask]
            constraints.append(FixedPlane(constraint.index, np.cross(first, second)))
    other = next((held for held in constraints if type(held).__name__ not in KEPT), None)
    if other is not None:
        raise ConfigError(
            f"Dynamics cannot be continued with the constraint {type(other).__name__}; they keep "
            f"{', '.join(KEPT)} and FixScaled."
        )
    if atoms.constraints:
        atoms.set_constraint(constraints)


def carry_marks(atoms: Any) -> Any:
    """Write down what is held along lattice vectors, for which extended XYZ has no column.

    Args:
        atoms: ASE Atoms that are about to be written; they get an array ``held_axes``.

    Returns:
        The atoms.
    """
    marks = site_properties_of(atoms)
    if held_directions(marks, len(atoms), along_lattice=True).any():
        atoms.set_array(HELD_AXES, marks[HELD_AXES].astype(np.int64))
    return atoms
