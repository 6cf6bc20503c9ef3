"""What crystals have in common: composition, crystal system, prototype, trajectory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.crystal_systems import crystal_system
from matsciml_core.interfaces.dataset import Dataset

SYMPREC = 0.1
"""Tolerance of the search for symmetry, Å; the Materials Project's."""
_CHUNK = 1024


def compositions(dataset: Dataset) -> list[str]:
    """Return the reduced composition of each crystal, as ``"11:1 17:1"`` for NaCl."""
    return [reduced_composition(crystal.atomic_numbers) for crystal in each_crystal(dataset)]


def crystal_systems(dataset: Dataset) -> list[str]:
    """Return the crystal system of each crystal, found with the tolerance ``SYMPREC``."""
    return [crystal_system(space_group(crystal)) for crystal in each_crystal(dataset)]


def prototypes(dataset: Dataset) -> list[str]:
    """Return space group and anonymous formula of each crystal, as ``"225 1:1"`` for NaCl.

    Crystals of one prototype have the same; crystals that have the same may still differ, which
    makes a split only stricter.
    """
    names = []
    for crystal in each_crystal(dataset):
        counts = _reduced(crystal.atomic_numbers)[1]
        # Without the elements: NaCl and MgO are one prototype.
        anonymous = ":".join(map(str, sorted(counts.tolist())))
        names.append(f"{space_group(crystal)} {anonymous}")
    return names


def trajectories(ids: Sequence[str]) -> list[str]:
    """Return the trajectory of each id: what stands before its last ``/``; else the id itself.

    >>> trajectories(["a/1", "a/2", "b"])
    ['a', 'a', 'b']
    """
    return [name.rpartition("/")[0] or name for name in ids]


def each_crystal(dataset: Dataset) -> Iterator[Crystal]:
    """Yield the crystals of a dataset in order, read in blocks."""
    # One record at a time is slow, and all at once may not fit in memory.
    for start in range(0, len(dataset), _CHUNK):
        block = range(start, min(start + _CHUNK, len(dataset)))
        yield from dataset.__getitems__(block).crystals()


def reduced_composition(numbers: NDArray[np.uint8]) -> str:
    """Return atomic numbers and their smallest whole proportions, ascending.

    Args:
        numbers: Atomic numbers, ``(atoms,)``, dimensionless.

    >>> reduced_composition(np.array([17, 11, 17, 11]))
    '11:1 17:1'
    """
    elements, counts = _reduced(numbers)
    return " ".join(f"{z}:{n}" for z, n in zip(elements.tolist(), counts.tolist(), strict=True))


def space_group(crystal: Crystal) -> int:
    """Return the number of the space group, 1 to 230; 1 where none can be found."""
    return find_space_group(crystal, SYMPREC) or 1


def _reduced(numbers: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    elements, counts = np.unique(numbers, return_counts=True)
    return elements, counts // np.gcd.reduce(counts)
