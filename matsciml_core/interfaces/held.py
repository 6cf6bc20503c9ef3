"""Atoms that are held in place, wholly or along some directions, as site properties of a crystal.

Calculations of slabs and defects hold atoms, and say so in two ways: along Cartesian axes (extended
XYZ, ASE) or along lattice vectors (VASP's selective dynamics). Both fit into two site properties:
``fixed`` is 1 where an atom cannot move at all, ``held_axes`` says along which directions one is
held that can move along others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

FIXED = "fixed"
HELD_AXES = "held_axes"
_CARTESIAN = np.array([1, 2, 4], dtype=np.uint8)
"""Bits of ``held_axes`` for x, y and z."""
_LATTICE = np.array([8, 16, 32], dtype=np.uint8)
"""Bits for the three lattice vectors: the coordinate along one does not change."""
OTHERWISE = 64
"""Bit for what neither describes: a bond length, a plane at an angle, a symmetry."""


def held_properties(
    held: ArrayLike, *, along_lattice: bool = False
) -> dict[str, NDArray[np.uint8]]:
    """Return the site properties of atoms that are held.

    Args:
        held: Whether an atom is held, ``(atoms,)``, or held along each direction, ``(atoms, 3)``.
        along_lattice: Whether the directions are lattice vectors, and not x, y and z.

    Returns:
        ``fixed``, and ``held_axes`` where an atom is held along some directions only, both
        ``(atoms,)``.

    >>> held_properties([[True, True, True], [False, False, True]])["held_axes"].tolist()
    [0, 4]
    """
    flags: NDArray[np.bool_] = np.asarray(held, dtype=bool)
    if flags.ndim == 1:
        flags = np.repeat(flags[:, None], 3, axis=1)
    whole: NDArray[np.bool_] = np.all(flags, axis=1)
    # Held along all three directions is held, whichever directions they are.
    bits = _LATTICE if along_lattice else _CARTESIAN
    partly: NDArray[np.uint8] = ((flags & ~whole[:, None]) @ bits).astype(np.uint8)
    properties: dict[str, NDArray[np.uint8]] = {FIXED: whole.astype(np.uint8)}
    return properties | ({HELD_AXES: partly} if partly.any() else {})


def held_directions(
    site_properties: Mapping[str, NDArray[np.uint8]], atoms: int, *, along_lattice: bool = False
) -> NDArray[np.bool_]:
    """Return along which directions atoms are held that can move along others.

    Args:
        site_properties: Those of a crystal, each ``(atoms,)``, dimensionless.
        atoms: Number of atoms.
        along_lattice: Whether to answer for the lattice vectors, and not for x, y and z.

    Returns:
        ``(atoms, 3)``.
    """
    axes = np.asarray(site_properties.get(HELD_AXES, np.zeros(atoms, dtype=np.uint8)))
    bits = _LATTICE if along_lattice else _CARTESIAN
    held: NDArray[np.bool_] = (axes[:, None] & bits) != 0
    return held


def held_otherwise(
    site_properties: Mapping[str, NDArray[np.uint8]],
) -> bool:
    """Return whether an atom is held in a way that only the file's own program knows.

    Args:
        site_properties: Those of a crystal, each ``(atoms,)``, dimensionless.
    """
    axes = site_properties.get(HELD_AXES)
    return axes is not None and bool((axes & OTHERWISE).any())
