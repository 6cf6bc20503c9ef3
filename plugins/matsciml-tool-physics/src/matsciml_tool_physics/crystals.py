"""Crystals whose properties are computed: what they must be, and how they are deformed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError
from matsciml_util_potential.relaxation import Cell, relax

Cells = tuple[int, int, int]
"""How many cells a supercell has along each axis."""
Relaxed = Literal["none", "atoms", "full"]
"""What of a crystal is relaxed before: nothing, its atoms, or its cell with them."""

_CELLS: dict[str, Cell] = {"atoms": "fixed", "shape": "shape", "full": "full"}


def require_crystal(atoms: Any, quantity: str) -> None:
    """Reject what has no volume.

    Args:
        atoms: ASE Atoms.
        quantity: What is computed, such as ``An equation of state``.

    Raises:
        ConfigError: They are not periodic in all three directions.
    """
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise ConfigError(
            f"{quantity} needs a crystal that is periodic in all three directions; the volume and "
            "the stress of a slab, a wire or a molecule mean nothing."
        )


def require_free_atoms(atoms: Any, quantity: str) -> None:
    """Reject atoms that are held in place.

    Args:
        atoms: ASE Atoms.
        quantity: What is computed, such as ``Phonons``.

    Raises:
        ConfigError: Some are held.
    """
    if atoms.constraints:
        raise ConfigError(
            f"{quantity} needs atoms that are free to move, and the file holds some in place; take "
            "the marks out of it."
        )


def deformed(atoms: Any, deformation: NDArray[Any]) -> Any:
    """Return a copy of a crystal after a homogeneous deformation, with the same calculator.

    Args:
        atoms: ASE Atoms with a calculator.
        deformation: F, which takes every vector r to r F, ``(3, 3)``, dimensionless.
    """
    copy = atoms.copy()
    copy.calc = atoms.calc
    copy.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return copy


def relax_crystal(
    crystal: Any, relaxed: Relaxed | Literal["shape"], *, largest_force: float, steps: int
) -> bool:
    """Relax what is asked for of a crystal, and return whether that converged.

    Args:
        crystal: ASE Atoms with a calculator; they are changed.
        relaxed: What changes; ``shape`` is that of the cell at constant volume, with the atoms.
        largest_force: Force that is left, eV/Å.
        steps: Most steps.
    """
    if relaxed == "none":
        return True
    return relax(
        crystal,
        optimiser="lbfgs",
        cell=_CELLS[relaxed],
        largest_force=largest_force,
        steps=steps,
    ).converged


def cells_for(crystal: Any, length: float) -> Cells:
    """Return how many cells along each axis make its height at least ``length``.

    Args:
        crystal: ASE Atoms.
        length: Å.
    """
    # The height over the plane of two vectors is the inverse of the third reciprocal one.
    heights = 1 / np.linalg.norm(crystal.cell.reciprocal(), axis=1)
    first, second, third = (int(max(1, np.ceil(length / height - 1e-9))) for height in heights)
    return first, second, third


def read_cells(text: str) -> Cells:
    """Read how many cells a supercell has along each axis.

    Args:
        text: One number, or three with commas.

    Raises:
        ConfigError: It is neither.
    """
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal() and int(part) > 0]
    if len(numbers) != len(parts) or len(numbers) not in (1, 3):
        raise ConfigError(
            f"'--supercell {text}' is not understood; write one number, such as 3, or three, such "
            "as 3,3,2."
        )
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third
