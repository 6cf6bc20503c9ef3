"""Leaks: structures that occur twice, within a dataset, between its subsets, across datasets.

Two structures are candidates where they have the same reduced composition, fingerprints (see
``fingerprint``) that differ by less than a tolerance in every number, and the same space group, or
those of left- and right-handed twins, which an invariant network cannot tell apart;
pymatgen's StructureMatcher, with its default tolerances, confirms them. Without the space group it
would take a distorted perovskite for the cubic one, since it forgives what the distortion is.

Candidates are found by sorting, and symmetry is searched only where the rest of the key agrees, so
the cost grows in proportion to the number of structures, up to the confirmations; of those, each
structure gets a bounded number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.convert import to_pymatgen
from matsciml_core.data.leaks.fingerprint import WIDTH, composition_keys, fingerprints
from matsciml_core.data.splits.grouping import SYMPREC, unhanded
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.progress import Meter, Report, silent

TOLERANCE = 0.03
"""Largest difference of two fingerprints of the same structure, in any of their numbers: atoms
that moved by about 3 % of their distance."""
MOST_CONFIRMED = 16
"""Candidates of one structure that are looked at closely, the nearest ones first: frames of a
trajectory are all near each other, and comparing all with all would never end."""
_CHUNK = 512
_UNKNOWN, _NONE = 0, 255
"""Instead of a space group: not searched yet; searched and not found."""
_EXAMPLES = 10

Confirm = Callable[[int, int], bool]
"""Says whether two structures, given by their numbers, are the same."""


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """Which structures are the same."""

    subsets: tuple[str, ...]
    """Names of what was compared: datasets, or subsets of their splits."""
    sizes: tuple[int, ...]
    """Structures of each."""
    overlaps: NDArray[np.int64]
    """Structures of the row's subset that also occur in the column's, ``(subsets, subsets)``; on
    the diagonal, structures that occur more than once in the subset itself."""
    candidates: int
    """Pairs of structures with one composition and near fingerprints that were looked at."""
    told_apart: int
    """Pairs of them with different space groups."""
    confirmed: int
    """Pairs of the others that were confirmed."""
    groups: NDArray[np.int64]
    """Number of the group of each structure, ``(structures,)``; the same for the same structure."""
    examples: tuple[tuple[str, str], ...] = field(default=())
    """Some pairs of ids, as ``subset:id``."""


def find_leaks(
    datasets: Mapping[str, Dataset],
    subsets: Mapping[str, Sequence[tuple[str, NDArray[np.int64]]]] | None = None,
    *,
    confirm: bool = True,
    space_groups: bool = True,
    tolerance: float = TOLERANCE,
    report: Report = silent,
) -> LeakReport:
    """Compare every structure with every other one.

    Args:
        datasets: Datasets by name.
        subsets: For each dataset, names and indices of the subsets to tell apart, ``(crystals,)``,
            dimensionless; None: the datasets.
        confirm: Whether StructureMatcher has the last word; without it, candidates count.
        space_groups: Whether structures of different space groups are different; without it,
            StructureMatcher alone decides.
        tolerance: See ``TOLERANCE``.
        report: Receives progress.

    Returns:
        The report.
    """
    keys, prints = describe(datasets, report)
    lookup = Lookup(datasets)
    judge = Judge(lookup, space_groups=space_groups, confirm=confirm)
    meter = Meter("comparison", report, unit="crystals", total=len(keys))
    groups = cluster(keys, prints, judge, tolerance, meter)
    names, owner = _owners(datasets, subsets)
    return LeakReport(
        subsets=tuple(names),
        sizes=tuple(np.bincount(owner[owner >= 0], minlength=len(names)).tolist()),
        overlaps=count_overlaps(groups, owner, len(names)),
        candidates=judge.asked,
        told_apart=judge.told_apart,
        confirmed=judge.confirmed,
        groups=groups,
        examples=tuple(_examples(groups, owner, names, lookup)),
    )


def cluster(
    keys: NDArray[np.uint64],
    prints: NDArray[np.float32],
    same: Confirm,
    tolerance: float,
    meter: Meter | None = None,
) -> NDArray[np.int64]:
    """Put structures that are the same into one group.

    Within a composition, structures are sorted by the first number of their fingerprints; each is
    compared only with the first structure of every group whose first number is near.

    Args:
        keys: Compositions, ``(structures,)``, dimensionless.
        prints: Fingerprints, ``(structures, WIDTH)``, dimensionless.
        same: Has the last word on a pair.
        tolerance: Largest difference of two fingerprints.
        meter: Told of every structure.

    Returns:
        Number of the group of each structure, ``(structures,)``: that of its first member.
    """
    groups = np.arange(len(keys))
    order = np.lexsort((prints[:, 0], keys))
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], bounds])
    ends = np.concatenate([bounds, [len(keys)]])
    several = ends - starts > 1  # a composition that occurs once has nothing to be compared with
    meter = Meter("comparison", silent, unit="crystals") if meter is None else meter
    meter.add(int(np.count_nonzero(~several)))
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        _cluster_bucket(order[start:end], prints, same, tolerance, groups)
        meter.add(end - start)
    meter.finish()
    return groups


def count_overlaps(
    groups: NDArray[np.int64], owner: NDArray[np.int64], subsets: int
) -> NDArray[np.int64]:
    """Count structures of each subset that also occur in each other subset.

    Args:
        groups: Group of each structure, ``(structures,)``, dimensionless.
        owner: Subset of each structure, ``(structures,)``, dimensionless; −1: none.
        subsets: Number of subsets.

    Returns:
        See ``LeakReport.overlaps``.
    """
    used = owner >= 0
    _, group = np.unique(groups[used], return_inverse=True)
    counts = np.zeros((int(group.max(initial=-1)) + 1, subsets), dtype=np.int64)
    np.add.at(counts, (group, owner[used]), 1)
    counts = counts[counts.sum(axis=1) > 1]
    # Not symmetric: the row's structures are counted, however often the column has them.
    table: NDArray[np.int64] = counts.T @ (counts > 0).astype(np.int64)
    np.fill_diagonal(table, (counts * (counts > 1)).sum(axis=0))
    return table


def _cluster_bucket(
    members: NDArray[np.int64],
    prints: NDArray[np.float32],
    same: Confirm,
    tolerance: float,
    groups: NDArray[np.int64],
) -> None:
    """Group structures of one composition, given in the order of their first numbers."""
    leaders: list[int] = []
    table = np.empty((len(members), WIDTH), dtype=np.float32)
    start = 0
    for member in members.tolist():
        own = prints[member]
        while start < len(leaders) and table[start, 0] < own[0] - tolerance:
            start += 1  # leaders come in ascending order: this one is too far for all that follow
        distance = np.abs(table[start : len(leaders)] - own).max(axis=1, initial=0.0)
        near = np.flatnonzero(distance < tolerance)
        # The nearest first, as the likeliest to be the same; a stable sort makes ties reproducible.
        for row in near[np.argsort(distance[near], kind="stable")[:MOST_CONFIRMED]].tolist():
            if same(leaders[start + row], member):
                groups[member] = groups[leaders[start + row]]
                break
        else:
            table[len(leaders)] = own
            leaders.append(member)


class Judge:
    """Says whether two candidates are the same structure, and counts.

    Args:
        lookup: Finds structures.
        space_groups: Whether those of different space groups are different.
        confirm: Whether to ask StructureMatcher about the others.
    """

    def __init__(self, lookup: Lookup, *, space_groups: bool = True, confirm: bool = True) -> None:
        """Start with no space group searched."""
        self._lookup, self._space_groups, self._confirm = lookup, space_groups, confirm
        self._numbers = np.full(len(lookup), _UNKNOWN, dtype=np.uint8)  # one byte per structure
        self.asked = self.told_apart = self.confirmed = 0

    def __call__(self, one: int, other: int) -> bool:
        """Compare two structures, given by their numbers."""
        self.asked += 1
        if self._space_groups:
            pair = {self._space_group(one), self._space_group(other)}
            # A search that fails says nothing about the structure: StructureMatcher decides.
            if len(pair) > 1 and _NONE not in pair:
                self.told_apart += 1
                return False
        agreed = not self._confirm or self._lookup.same(one, other)
        self.confirmed += agreed
        return agreed

    def _space_group(self, index: int) -> int:
        if self._numbers[index] == _UNKNOWN:
            number = find_space_group(self._lookup.crystal(index), SYMPREC)
            self._numbers[index] = unhanded(number) if number else _NONE
        return int(self._numbers[index])


class Lookup:
    """Finds structures by their index, counted through all datasets.

    Args:
        datasets: Datasets by name.
    """

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        """Note where each dataset begins."""
        self._datasets = list(datasets.values())
        self._bounds = np.cumsum([0, *(len(dataset) for dataset in self._datasets)])
        # An attribute, so that the cache goes with the object and does not keep it alive.
        self.structure = lru_cache(maxsize=4096)(self._structure)

    def __len__(self) -> int:
        """Return the number of structures."""
        return int(self._bounds[-1])

    def crystal(self, index: int) -> Crystal:
        """Return a crystal."""
        dataset = int(np.searchsorted(self._bounds, index, side="right")) - 1
        return self._datasets[dataset][index - int(self._bounds[dataset])]

    def same(self, one: int, other: int) -> bool:
        """Ask StructureMatcher; what has no lattice it can't compare, and the key decides."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pair = self.structure(one), self.structure(other)
            return None in pair or bool(_matcher().fit(*pair))

    def _structure(self, index: int) -> Any:
        crystal = self.crystal(index)
        # Neither labels nor what was held make a structure another one.
        bare = replace(crystal, labels={}, site_properties={})
        return to_pymatgen(bare) if crystal.volume > 0 else None


@lru_cache(maxsize=1)
def _matcher() -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: PLC0415 - heavy

    return StructureMatcher()


def describe(
    datasets: Mapping[str, Dataset], report: Report = silent
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return composition and fingerprint of every structure, see :func:`cluster`."""
    keys, prints = [np.empty(0, np.uint64)], [np.empty((0, WIDTH), np.float32)]
    for name, dataset in datasets.items():
        meter = Meter(f"fingerprints of {name}", report, unit="crystals", total=len(dataset))
        for start in range(0, len(dataset), _CHUNK):
            block = range(start, min(start + _CHUNK, len(dataset)))
            batch = dataset.__getitems__(block)
            keys.append(composition_keys(batch))
            prints.append(fingerprints(batch))
            meter.add(len(block))
        meter.finish()
    return np.concatenate(keys), np.concatenate(prints)


def _owners(
    datasets: Mapping[str, Dataset],
    subsets: Mapping[str, Sequence[tuple[str, NDArray[np.int64]]]] | None,
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the subsets, and the subset of each structure."""
    names: list[str] = []
    owners = []
    for name, dataset in datasets.items():
        owner = np.full(len(dataset), -1)
        pieces = [("", np.arange(len(dataset)))] if subsets is None else subsets[name]
        for piece, indices in pieces:
            owner[indices] = len(names)
            names.append(f"{name}/{piece}" if piece else name)
        owners.append(owner)
    return names, np.concatenate(owners)


def _examples(
    groups: NDArray[np.int64], owner: NDArray[np.int64], names: Sequence[str], lookup: Lookup
) -> Iterator[tuple[str, str]]:
    """Yield pairs of the same structure, those from different subsets first."""
    joined = np.flatnonzero((groups != np.arange(len(groups))) & (owner >= 0))
    joined = joined[owner[groups[joined]] >= 0]
    # False sorts first: a leak matters more than a structure that a subset has twice.
    within = owner[groups[joined]] == owner[joined]
    for index in joined[np.argsort(within, kind="stable")][:_EXAMPLES].tolist():
        pair = (int(groups[index]), index)
        one, other = (f"{names[owner[k]]}:{lookup.crystal(k).id}" for k in pair)
        yield one, other
