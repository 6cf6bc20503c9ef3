"""What crystals have in common: composition, crystal system, prototype, trajectory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.crystal_systems import crystal_system
from matsciml_core.interfaces.dataset import Dataset

SYMPREC = 0.1
"""Tolerance of the search for symmetry, Å; the Materials Project's."""
_CHUNK = 1024
_TWINS = {
    78: 76,
    95: 91,
    96: 92,
    145: 144,
    153: 151,
    154: 152,
    170: 169,
    172: 171,
    179: 178,
    181: 180,
    213: 212,
}


def compositions(dataset: Dataset) -> list[str]:
    """Return the reduced composition of each crystal, as ``"11:1 17:1"`` for NaCl."""
    return [reduced_composition(crystal.atomic_numbers) for crystal in each_crystal(dataset)]


def crystal_systems(dataset: Dataset) -> list[str]:
    """Return the crystal system of each crystal, found with the tolerance ``SYMPREC``.

    Raises:
        SplitError: No crystal is periodic in three directions.
    """
    crystals = _with_space_groups(dataset, "crystal system")
    return [crystal_system(space_group(crystal)) for crystal in crystals]


def prototypes(dataset: Dataset) -> list[str]:
    """Return space group and anonymous formula of each crystal, as ``"225 1:1"`` for NaCl.

    Crystals of one prototype have the same, left- and right-handed ones too; crystals that have the
    same may still differ, which makes a split only stricter.

    Raises:
        SplitError: No crystal is periodic in three directions.
    """
    names = []
    for crystal in _with_space_groups(dataset, "prototype"):
        counts = _reduced(crystal.atomic_numbers)[1]
        # Without the elements: NaCl and MgO are one prototype.
        anonymous = ":".join(map(str, sorted(counts.tolist())))
        names.append(f"{unhanded(space_group(crystal))} {anonymous}")
    return names


def trajectories(ids: Sequence[str]) -> list[str]:
    """Return the trajectory of each id: what stands before its last ``/``; else the id itself.

    Raises:
        SplitError: No trajectory has two frames, so that to group by it would be to split at
            random.

    >>> trajectories(["a/1", "a/2", "b"])
    ['a', 'a', 'b']
    """
    names = [name.rpartition("/")[0] or name for name in ids]
    _require_shared(names)
    return names


def series(ids: Sequence[str]) -> tuple[list[str], str]:
    """Return the series in time of each id, and a sentence about what was assumed.

    A series is a trajectory, in the order of the records. Ids without any make one series of the
    whole dataset, which is right where that is a single trajectory, and is said.

    Raises:
        SplitError: There are trajectories, and none has two frames.

    >>> series(["a/1", "a/2", "b/1"])
    (['a', 'a', 'b'], '')
    >>> series(["1", "2"])[0]
    ['', '']
    """
    names = [name.rpartition("/")[0] for name in ids]
    if any(names):
        _require_shared([name or id for name, id in zip(names, ids, strict=True)])
        alone = names.count("")
        if not alone:
            return names, ""
        return names, (
            f"{alone:,} of {len(ids):,} crystals are of no trajectory, by their ids; they are "
            "taken as one series in the order of the records."
        )
    return names, (
        "No crystal is of a trajectory, by its id, which would begin with the trajectory and '/': "
        "all are taken as one series in the order of the records. Where that is not the order of "
        "time, import the data with --trajectory, or split by something else."
    )


def _require_shared(names: Sequence[str]) -> None:
    """Reject trajectories of which none has two frames: that would be to split at random."""
    if len(set(names)) == len(names):
        raise SplitError(
            "No two crystals are of one trajectory, by their ids, which begin with the trajectory "
            "and '/'; import the data with --trajectory, or split by something else."
        )


def unhanded(space_group: int) -> int:
    """Return the lower number of the two space groups of left- and right-handed twins.

    The eleven pairs are those whose screw axes are mirror images (International Tables for
    Crystallography A, 6th ed., section 1.4.2). To a network that is invariant under reflections,
    twins are the same crystal.

    Args:
        space_group: Its number, 1 to 230.

    >>> unhanded(154), unhanded(152), unhanded(225)
    (152, 152, 225)
    """
    return _TWINS.get(space_group, space_group)


def each_crystal(dataset: Dataset) -> Iterator[Crystal]:
    """Yield the crystals of a dataset in order, read in blocks."""
    # One record at a time is slow, and all at once may not fit in memory.
    for start in range(0, len(dataset), _CHUNK):
        block = range(start, min(start + _CHUNK, len(dataset)))
        yield from dataset.__getitems__(block).crystals()


def _with_space_groups(dataset: Dataset, by: str) -> Iterator[Crystal]:
    """Yield the crystals of a dataset; without a lattice all would be of one group, in silence."""
    periodic = False
    for crystal in each_crystal(dataset):
        periodic = periodic or bool(crystal.pbc.all())
        yield crystal
    if not periodic:
        raise SplitError(
            f"No structure is periodic in three directions, so that none has a {by}; split by "
            "composition or at random."
        )


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
