"""Leaks: structures that occur twice, within a dataset, between its parts, across datasets.

Two structures are candidates where they have the same reduced composition and fingerprints (see
``fingerprint``) that differ by less than a tolerance in every number; pymatgen's
StructureMatcher, with its default tolerances, confirms them. Candidates are found by sorting, so
the cost grows in proportion to the number of structures, up to the confirmations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.fetch.progress import Meter, Report, silent
from matsciml_core.data.fingerprint import WIDTH, composition_keys, fingerprints
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset

TOLERANCE = 0.03
"""Largest difference of two fingerprints of the same structure, in any of their numbers: atoms
that moved by about 3 % of their distance."""
_CHUNK = 512
_EXAMPLES = 10

Confirm = Callable[[int, int], bool]
"""Says whether two structures, given by their numbers, are the same."""


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """Which structures are the same."""

    parts: tuple[str, ...]
    """Names of what was compared: datasets, or parts of their splits."""
    sizes: tuple[int, ...]
    """Structures of each."""
    overlaps: NDArray[np.int64]
    """Structures of the row's part that also occur in the column's, ``(parts, parts)``; on the
    diagonal, structures that occur more than once in the part itself."""
    candidates: int
    """Pairs of structures that the fingerprint took for the same."""
    confirmed: int
    """Pairs of them that were confirmed."""
    groups: NDArray[np.int64]
    """Number of the group of each structure, ``(structures,)``; the same for the same structure."""
    examples: tuple[tuple[str, str], ...] = field(default=())
    """Some pairs of ids, as ``part:id``."""


def find_leaks(
    datasets: Mapping[str, Dataset],
    parts: Mapping[str, Sequence[tuple[str, NDArray[np.int64]]]] | None = None,
    *,
    confirm: bool = True,
    tolerance: float = TOLERANCE,
    report: Report = silent,
) -> LeakReport:
    """Compare every structure with every other one.

    Args:
        datasets: Datasets by name.
        parts: For each dataset, names and indices of the parts to tell apart; None: the datasets.
        confirm: Whether StructureMatcher has the last word; without it, candidates count.
        tolerance: See ``TOLERANCE``.
        report: Receives progress.

    Returns:
        The report.
    """
    keys, prints = _describe(datasets, report)
    lookup = _Lookup(datasets)
    counter = _Counter(lookup.same if confirm else None)
    groups = cluster(keys, prints, counter, tolerance)
    names, owner = _owners(datasets, parts)
    return LeakReport(
        parts=tuple(names),
        sizes=tuple(np.bincount(owner[owner >= 0], minlength=len(names)).tolist()),
        overlaps=count_overlaps(groups, owner, len(names)),
        candidates=counter.asked,
        confirmed=counter.confirmed,
        groups=groups,
        examples=tuple(_examples(groups, owner, names, lookup)),
    )


def cluster(
    keys: NDArray[np.uint64], prints: NDArray[np.float32], same: Confirm, tolerance: float
) -> NDArray[np.int64]:
    """Put structures that are the same into one group.

    Within a composition, structures are sorted by the first number of their fingerprints; each is
    compared only with the first structure of every group whose first number is near.

    Args:
        keys: Compositions, ``(structures,)``.
        prints: Fingerprints, ``(structures, WIDTH)``.
        same: Has the last word on a pair.
        tolerance: Largest difference of two fingerprints.

    Returns:
        Number of the group of each structure, ``(structures,)``: that of its first member.
    """
    groups = np.arange(len(keys))
    order = np.lexsort((prints[:, 0], keys))
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], bounds])
    ends = np.concatenate([bounds, [len(keys)]])
    several = ends - starts > 1
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        _cluster_bucket(order[start:end], prints, same, tolerance, groups)
    return groups


def count_overlaps(
    groups: NDArray[np.int64], owner: NDArray[np.int64], parts: int
) -> NDArray[np.int64]:
    """Count structures of each part that also occur in each other part.

    Args:
        groups: Group of each structure, ``(structures,)``.
        owner: Part of each structure, ``(structures,)``; −1: none.
        parts: Number of parts.

    Returns:
        See ``LeakReport.overlaps``.
    """
    used = owner >= 0
    _, number = np.unique(groups[used], return_inverse=True)
    counts = np.zeros((int(number.max(initial=-1)) + 1, parts), dtype=np.int64)
    np.add.at(counts, (number, owner[used]), 1)
    counts = counts[counts.sum(axis=1) > 1]
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
    first = 0
    for member in members.tolist():
        own = prints[member]
        while first < len(leaders) and table[first, 0] < own[0] - tolerance:
            first += 1  # leaders come in ascending order: this one is too far for all that follow
        near = np.abs(table[first : len(leaders)] - own).max(axis=1, initial=0.0) < tolerance
        for place in np.flatnonzero(near).tolist():
            if same(leaders[first + place], member):
                groups[member] = groups[leaders[first + place]]
                break
        else:
            table[len(leaders)] = own
            leaders.append(member)


class _Counter:
    """Asks whether two structures are the same, and counts."""

    def __init__(self, same: Confirm | None) -> None:
        self._same = same
        self.asked = self.confirmed = 0

    def __call__(self, one: int, other: int) -> bool:
        self.asked += 1
        agreed = self._same is None or self._same(one, other)
        self.confirmed += agreed
        return agreed


class _Lookup:
    """Finds structures by their number, counted through all datasets."""

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self._datasets = list(datasets.values())
        self._bounds = np.cumsum([0, *(len(dataset) for dataset in self._datasets)])
        self.structure = lru_cache(maxsize=4096)(self._structure)

    def crystal(self, number: int) -> Crystal:
        """Return a crystal."""
        which = int(np.searchsorted(self._bounds, number, side="right")) - 1
        return self._datasets[which][number - int(self._bounds[which])]

    def same(self, one: int, other: int) -> bool:
        """Ask StructureMatcher."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(_matcher().fit(self.structure(one), self.structure(other)))

    def _structure(self, number: int) -> Any:
        from pymatgen.core.structure import Structure  # noqa: PLC0415 - heavy

        crystal = self.crystal(number)
        return Structure(
            crystal.cell,
            crystal.atomic_numbers.tolist(),
            crystal.positions,
            coords_are_cartesian=True,
        )


@lru_cache(maxsize=1)
def _matcher() -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: PLC0415 - heavy

    return StructureMatcher()


def _describe(
    datasets: Mapping[str, Dataset], report: Report
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return composition and fingerprint of every structure."""
    keys, prints = [np.empty(0, np.uint64)], [np.empty((0, WIDTH), np.float32)]
    for name, dataset in datasets.items():
        meter = Meter(f"fingerprints of {name}", report, unit="crystals", total=len(dataset))
        for first in range(0, len(dataset), _CHUNK):
            block = range(first, min(first + _CHUNK, len(dataset)))
            batch = dataset.__getitems__(block)
            keys.append(composition_keys(batch))
            prints.append(fingerprints(batch))
            meter.add(len(block))
        meter.finish()
    return np.concatenate(keys), np.concatenate(prints)


def _owners(
    datasets: Mapping[str, Dataset],
    parts: Mapping[str, Sequence[tuple[str, NDArray[np.int64]]]] | None,
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the parts, and the part of each structure."""
    names: list[str] = []
    owners = []
    for name, dataset in datasets.items():
        owner = np.full(len(dataset), -1)
        pieces = [("", np.arange(len(dataset)))] if parts is None else parts[name]
        for piece, indices in pieces:
            owner[indices] = len(names)
            names.append(f"{name}/{piece}" if piece else name)
        owners.append(owner)
    return names, np.concatenate(owners)


def _examples(
    groups: NDArray[np.int64], owner: NDArray[np.int64], names: Sequence[str], lookup: _Lookup
) -> Iterator[tuple[str, str]]:
    """Yield pairs of the same structure, those from different parts first."""
    joined = np.flatnonzero((groups != np.arange(len(groups))) & (owner >= 0))
    joined = joined[owner[groups[joined]] >= 0]
    within = owner[groups[joined]] == owner[joined]
    for number in joined[np.argsort(within, kind="stable")][:_EXAMPLES].tolist():
        pair = (int(groups[number]), number)
        one, other = (f"{names[owner[k]]}:{lookup.crystal(k).id}" for k in pair)
        yield one, other
