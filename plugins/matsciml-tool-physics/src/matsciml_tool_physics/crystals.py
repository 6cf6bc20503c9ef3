"""Crystals whose properties are computed: what they must be, and how they are deformed."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from matsciml_core.errors import ConfigError


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
