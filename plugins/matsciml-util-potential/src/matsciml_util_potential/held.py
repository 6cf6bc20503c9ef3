"""Atoms that are held in place while others move."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.constraints import FixScaled
from numpy.typing import NDArray

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import HELD_AXES, held_directions, held_otherwise

KEPT = ("FixAtoms", "FixCartesian", "FixedPlane", "FixedLine", "FixScaled")
"""Constraints of ASE that a state can keep, as files name them; each is a projection of the motion
of single atoms."""


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
    """Holds fractional coordinates: positions, momenta and forces keep what the free vectors span.

    In a cell that is not rectangular ASE's class (3.29.0) projects each of these in another
    direction. It multiplies forces by the cell where it should by its transpose, so that what is
    left of a force is zero elsewhere than at the minimum, and a relaxation reports convergence
    there; momenta keep a part that positions do not follow. To files it is ASE's class.

    Args:
        indices: The atoms, ``(held,)``.
        mask: Whether the coordinate along each lattice vector is held, ``(3,)``.
    """

    def __init__(self, indices: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Hold the atoms."""
        super().__init__(indices, mask)  # type: ignore[no-untyped-call]  # ASE's has no types

    def adjust_positions(self, atoms: Any, new: NDArray[np.float64]) -> None:
        """Take from the steps of held atoms what leads out of the free directions.

        Args:
            atoms: ASE Atoms with a cell, where they were.
            new: Where they are to be, ``(atoms, 3)``, Å; changed in place.
        """
        old = atoms.positions[self.index]
        new[self.index] = old + self._along_free(atoms, new[self.index] - old)

    def adjust_forces(self, atoms: Any, forces: NDArray[np.float64]) -> None:
        """Project the forces, or momenta, of held atoms onto the free lattice vectors.

        Args:
            atoms: ASE Atoms with a cell.
            forces: ``(atoms, 3)``, eV/Å or ASE's unit of momentum; changed in place.
        """
        forces[self.index] = self._along_free(atoms, forces[self.index])

    def _along_free(self, atoms: Any, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the projection of vectors, ``(held, 3)``, onto the free vectors of the cell."""
        basis, _ = np.linalg.qr(atoms.cell.array[~self.mask].T)
        projected: NDArray[np.float64] = vectors @ basis @ basis.T
        return projected


def hold_fractions(atoms: Any) -> None:
    """Let ASE's constraints on fractional coordinates be ours.

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
    """Bring constraints into a form that dynamics can keep, see :class:`FixFractions`.

    Args:
        atoms: ASE Atoms; their constraints are changed.

    Raises:
        ConfigError: There is a constraint of another kind.
    """
    for constraint in atoms.constraints:
        name = type(constraint).__name__
        if name not in KEPT and not isinstance(constraint, FixFractions):
            raise ConfigError(
                f"Dynamics cannot be continued with the constraint {name}; "
                f"they keep {', '.join(KEPT[:-1])} and {KEPT[-1]}."
            )
    hold_fractions(atoms)


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
