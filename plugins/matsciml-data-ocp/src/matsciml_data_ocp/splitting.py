"""The published subsets as training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matsciml_core import Split
from matsciml_core.data import CrystalStore, grouped_split
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.split import SUBSETS, UNUSED, make_split
from matsciml_data_ocp.subsets import TRAIN, VALIDATION, find_bounds, split_names, subset_of

Ids = Sequence[str]
_BLOCK = 4096


def systems(ids: Ids) -> list[str]:
    """Return the system of each id, which all its frames have in common.

    Args:
        ids: Such as ``train/random12/frame3``.

    >>> systems(["train/random12/frame3", "val_id/random7"])
    ['random12', 'random7']
    """
    return [name.split("/", 2)[1] for name in ids]


def split_by_system(ids: Ids, seed: int) -> Split:
    """Return a split 80/10/10 by whole systems.

    Args:
        ids: Of all crystals.
        seed: Seed of the shuffle.

    Raises:
        SplitError: There are fewer systems than subsets.
    """
    return grouped_split(ids, systems(ids), by="system", seed=seed)


def published_split(ids: Ids, test: str) -> Split:
    """Return the published subsets as a split; ids of other subsets are unused.

    Args:
        ids: Of all subsets.
        test: The subset to test on. ``val_id`` is halved by system, since it validates too.

    Raises:
        SplitError: ``val_id`` has a single system.
    """
    by_subset: dict[str, list[str]] = {}
    for name in ids:
        by_subset.setdefault(subset_of(name), []).append(name)
    train, validation = by_subset.pop(TRAIN, []), by_subset.pop(VALIDATION, [])
    if test == VALIDATION:  # the one subset of known labels like those trained on
        validation, tested = halve(validation)
    else:
        tested = by_subset.pop(test, [])
    unused = [name for names in by_subset.values() for name in names]
    subsets = dict(zip(SUBSETS, (train, validation, tested), strict=True))
    return make_split(
        f"published, tested on {test}", None, {**subsets, UNUSED: unused} if unused else subsets
    )


def halve(ids: Ids) -> tuple[list[str], list[str]]:
    """Return two halves without a system in common, always the same ones.

    Args:
        ids: At least two.

    Raises:
        SplitError: There is a single system.
    """
    halves = grouped_split(ids, systems(ids), by="system", fractions=(0.0, 0.5, 0.5), seed=0)
    return list(halves.subsets["validation"]), list(halves.subsets["test"])


def bounds_of(store: CrystalStore) -> Mapping[str, tuple[int, int]]:
    """Return where each subset begins and ends in a store.

    Args:
        store: With one subset after the other.
    """
    return find_bounds(len(store), lambda index: store.read([index]).ids[0])


def count_default_split(folder: Path) -> tuple[int, int, int]:
    """Return the sizes of the default split; of a training set no id is read.

    Args:
        folder: Of a store.

    Returns:
        Records for training, validation and test; no test where there is nothing to divide.
    """
    store = CrystalStore(folder)
    bounds = bounds_of(store)
    try:
        if split_names(bounds)[0] != VALIDATION:  # no published split: all ids are divided
            ids = [name for batch in store.scan() for name in batch.ids]
            train, validation, test = map(len, split_by_system(ids, 0).subsets.values())
            return train, validation, test
        low, high = bounds[VALIDATION]
        halves = halve(_ids(store, low, high))
        return _length(bounds[TRAIN]), len(halves[0]), len(halves[1])
    except SplitError:
        return _length(bounds.get(TRAIN)), _length(bounds.get(VALIDATION)), 0


def _ids(store: CrystalStore, first: int, last: int) -> list[str]:
    blocks = (range(at, min(at + _BLOCK, last)) for at in range(first, last, _BLOCK))
    return [name for block in blocks for name in store.read(block).ids]


def _length(bounds: tuple[int, int] | None) -> int:
    return 0 if bounds is None else bounds[1] - bounds[0]
