"""Ways to split a dataset: stratified, by groups, in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matsciml_core.errors import SplitError
from matsciml_core.interfaces.split import (
    FRACTIONS,
    SUBSETS,
    Split,
    check_unique,
    cut_into_subsets,
    make_split,
    shares_of,
)


def stratified_split(
    ids: Sequence[str],
    strata: Sequence[str],
    *,
    by: str,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Split:
    """Split each stratum by itself, so that every subset has the same mix.

    Args:
        ids: Unique ids.
        strata: The stratum of each id, for example its crystal system.
        by: What the strata are, for the record.
        fractions: Share of training, validation and test.
        seed: Seed of the shuffle.

    Returns:
        The split.

    Raises:
        SplitError: Ids are not unique.
    """
    members = _members(ids, strata)
    generator = np.random.Generator(np.random.PCG64(seed))
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    # Sorted strata and sorted ids: the split depends on the seed, not on the order of the data.
    for stratum in sorted(members):
        names = members[stratum]
        shuffled = [names[k] for k in generator.permutation(len(names))]
        for subset, block in cut_into_subsets(shuffled, fractions).items():
            subsets[subset].extend(block)
    return make_split(f"stratified by {by}", seed, subsets)


def grouped_split(
    ids: Sequence[str],
    groups: Sequence[str],
    *,
    by: str,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Split:
    """Split whole groups, so that nothing in the test set has a relative in the training set.

    The groups are shuffled and dealt one by one to the subset that is furthest behind its share, so
    the shares are met as well as the sizes of the groups allow.

    Args:
        ids: Unique ids.
        groups: The group of each id, for example its reduced composition or its trajectory.
        by: What the groups are, for the record.
        fractions: Share of training, validation and test.
        seed: Seed of the shuffle.

    Returns:
        The split.

    Raises:
        SplitError: Ids are not unique, or there are fewer groups than subsets.
    """
    members = _members(ids, groups)
    shares = shares_of(fractions)
    if len(members) < np.count_nonzero(shares):
        raise SplitError(
            f"There are only {len(members)} groups by {by}, too few for as many subsets; split by "
            "something else, or at random."
        )
    names = sorted(members)
    generator = np.random.Generator(np.random.PCG64(seed))
    filled = np.zeros(len(SUBSETS))
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    for k in generator.permutation(len(names)):
        group = members[names[k]]
        goal = shares * (filled.sum() + len(group))
        # A subset that is to stay empty is never behind.
        behind = np.where(shares > 0, goal - filled, -np.inf)
        subset = int(np.argmax(behind))
        filled[subset] += len(group)
        subsets[SUBSETS[subset]].extend(group)
    return make_split(f"grouped by {by}", seed, subsets)


def blocked_split(
    ids: Sequence[str],
    series: Sequence[str] | None = None,
    *,
    fractions: Sequence[float] = FRACTIONS,
) -> Split:
    """Cut each series into consecutive blocks: training first, then validation, then test.

    For molecular dynamics, where neighbouring frames are nearly equal and a random split leaks.

    Args:
        ids: Unique ids in the order of time.
        series: The series of each id, such as its trajectory; None: there is one.
        fractions: Share of training, validation and test.

    Returns:
        The split.

    Raises:
        SplitError: Ids are not unique.
    """
    check_unique(ids)
    members: dict[str, list[str]] = {}
    labels = [""] * len(ids) if series is None else series
    for name, label in zip(ids, labels, strict=True):
        members.setdefault(label, []).append(name)  # in the order given, which is that of time
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    for names in members.values():
        for subset, block in cut_into_subsets(names, fractions).items():
            subsets[subset].extend(block)
    return make_split("blocks in time", None, subsets)


def _members(ids: Sequence[str], groups: Sequence[str]) -> dict[str, list[str]]:
    """Return the sorted ids of each group."""
    check_unique(ids)
    members: dict[str, list[str]] = {}
    for name, group in sorted(zip(ids, groups, strict=True)):
        members.setdefault(group, []).append(name)
    return members
