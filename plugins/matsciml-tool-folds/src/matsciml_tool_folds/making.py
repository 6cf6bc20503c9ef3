"""Folds of a dataset: how crystals are dealt to them, and the split that tests each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from matsciml_core.data.splits import grouping
from matsciml_core.data.splits.algorithms import blocked_split, grouped_split, stratified_split
from matsciml_core.data.splits.listed import read_lists
from matsciml_core.errors import ConfigError, SplitError, did_you_mean
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import SUBSETS, UNUSED, Split, check_unique, hash_ids
from matsciml_core.interfaces.structure import read_crystals, targets_of

Kind = Literal["strata", "groups", "series"]
_BINS = 10
"""Strata of a label that is a number: as many quantiles."""
_CHUNK = 4096


@dataclass(frozen=True)
class _Way:
    """A way to deal crystals to folds."""

    kind: Kind
    """``strata`` are spread over all folds, ``groups`` stay together, ``series`` are cut into
    blocks."""
    keys: Callable[[Dataset, str], list[str]]
    """Returns the stratum, group or series of each crystal, by dataset and label."""


_WAYS: Mapping[str, _Way] = {
    "random": _Way("strata", lambda dataset, label: [""] * len(dataset)),
    "crystal-system": _Way("strata", lambda dataset, label: grouping.crystal_systems(dataset)),
    "label": _Way("strata", lambda dataset, label: _label_strata(dataset, label)),
    "composition": _Way("groups", lambda dataset, label: grouping.compositions(dataset)),
    "prototype": _Way("groups", lambda dataset, label: grouping.prototypes(dataset)),
    "trajectory": _Way("groups", lambda dataset, label: grouping.trajectories(dataset.ids)),
    "time": _Way("series", lambda dataset, label: grouping.series(dataset.ids)[0]),
}
WAYS = tuple(_WAYS)
"""What ``FoldRequest.by`` takes beside files."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """A partition of crystals, each part of which is the test set of one run."""

    algorithm: str
    """How they were made, for people."""
    seed: int
    ids: tuple[str, ...]
    """All ids of the dataset, in its order."""
    members: tuple[tuple[str, ...], ...]
    """The ids of each fold."""
    kind: Kind
    keys: Mapping[str, str]
    """Stratum, group or series of each crystal."""
    validation: float
    """Share of the crystals outside a fold that its run is validated on, dimensionless."""
    assumed: str = ""
    """What was assumed of the data, in a sentence; empty: nothing was."""

    @property
    def number(self) -> int:
        """How many folds there are."""
        return len(self.members)

    def split(self, fold: int) -> Split:
        """Return the split that tests a fold, and validates on a part of the others.

        The validation part is taken from outside the fold in the way in which the folds were made,
        so that what is kept apart between folds is kept apart between validation and training.

        Args:
            fold: Its index, from 0.

        Raises:
            SplitError: Validation or training would be empty.
        """
        test = set(self.members[fold])
        used = {name for members in self.members for name in members}
        rest = [name for name in self.ids if name in used and name not in test]
        keys = [self.keys[name] for name in rest]
        options: dict[str, Any] = {"fractions": (1.0 - self.validation, self.validation, 0.0)}
        if self.kind == "series":
            inner = blocked_split(rest, keys, **options)
        else:
            options |= {"by": "", "seed": self.seed}
            make = stratified_split if self.kind == "strata" else grouped_split
            inner = make(rest, keys, **options)
        for subset in SUBSETS[:2]:
            if not inner.subsets[subset]:
                raise SplitError(
                    f"No crystal is left for {subset} beside fold {fold + 1}; take fewer folds, or "
                    "another share with --validation."
                )
        unused = tuple(sorted(set(self.ids) - used))
        return Split(
            algorithm=f"fold {fold + 1} of {self.number}, {self.algorithm}",
            seed=self.seed,
            subsets={
                **inner.subsets,
                "test": tuple(sorted(test)),
                **({UNUSED: unused} if unused else {}),
            },
        )

    def record(self) -> dict[str, Any]:
        """Return what makes these folds and no others, as plain data."""
        return {
            "algorithm": self.algorithm,
            "number": self.number,
            "seed": self.seed,
            "validation": self.validation,
            "ids_hash": hash_ids(self.ids),
            "hash": hash_ids([f"{name} {k}" for k, ids in enumerate(self.members) for name in ids]),
        }


@dataclass(frozen=True, kw_only=True)
class FoldRequest:
    """How many folds are asked for, and how crystals are dealt to them."""

    by: str = "random"
    """One of ``WAYS``, or a file with a list of ids for each fold."""
    number: int | None = None
    """Number of folds; None: 5, or as many as the file has."""
    seed: int = 0
    """Seed of the shuffle."""
    validation: float = 0.1
    """See :attr:`Folds.validation`."""

    @property
    def file(self) -> Path | None:
        """The file with the folds; None: they are made."""
        return None if self.by in _WAYS or not Path(self.by).is_file() else Path(self.by)

    def make(self, dataset: Dataset, label: str) -> Folds:
        """Deal the crystals of a dataset to folds.

        Args:
            dataset: The crystals.
            label: The label that folds by ``label`` are stratified by.

        Raises:
            ConfigError: ``by`` is neither a way nor a file, or the validation share is none.
            SplitError: There are too few crystals or groups, or the file holds no folds of them.
        """
        if not 0.0 < self.validation < 1.0:
            raise ConfigError(
                f"'--validation {self.validation:g}' is no share of the training crystals; give a "
                "number between 0 and 1, such as 0.1."
            )
        ids = tuple(dataset.ids)
        check_unique(ids)
        if self.file is not None:
            return self._listed(self.file, ids)
        if self.by not in _WAYS:
            if Path(self.by).is_dir():
                raise ConfigError(f"'--by {self.by}' is a folder; name the file with the folds.")
            if Path(self.by).suffix or "/" in self.by:
                raise ConfigError(
                    f"The file '{self.by}' does not exist; name one with a list of ids for each "
                    f"fold, or a way to make folds: {', '.join(WAYS)}."
                )
            raise ConfigError(
                f"'--by {self.by}' is neither a way to make folds nor a file."
                f"{did_you_mean(self.by, WAYS)} Ways: {', '.join(WAYS)}."
            )
        way, number = _WAYS[self.by], 5 if self.number is None else self.number
        keys = dict(zip(ids, way.keys(dataset, label), strict=True))
        units = len(set(keys.values())) if way.kind == "groups" else len(ids)
        # Before anything is dealt, which a billion folds would take an hour for.
        possible = 2 <= number <= units
        deal = {"strata": _deal_strata, "groups": _deal_groups, "series": _deal_series}[way.kind]
        members = deal(ids, keys, number, self.seed) if possible else []
        if not possible or not all(members):
            noun = "groups" if way.kind == "groups" else "crystals"
            raise SplitError(
                f"{len(ids)} crystals ({units} {noun} by {self.by}) cannot be dealt to {number} "
                "folds; take at least 2 folds, and no more than there are crystals or groups."
            )
        return Folds(
            algorithm=_WORDS.get(self.by, "{}").format(self.by.replace("-", " ")),
            seed=self.seed,
            ids=ids,
            members=tuple(tuple(sorted(names)) for names in members),
            kind=way.kind,
            keys=keys,
            validation=self.validation,
            assumed=grouping.series(ids)[1] if way.kind == "series" else "",
        )

    def _listed(self, file: Path, ids: Sequence[str]) -> Folds:
        """Return the folds that a file lists; crystals that it does not list are left unused."""
        lists = read_lists([file])
        if len(lists) < 2 or set(lists) <= {*SUBSETS, UNUSED}:
            raise SplitError(
                f"'{file}' holds {'a split' if len(lists) > 1 else 'one list'}, and no folds; "
                'write a list of ids for each of two or more folds, as {"fold-1": ["mp-1"]}.'
            )
        if self.number not in (None, len(lists)):
            raise ConfigError(
                f"'{file}' has {len(lists)} folds, and '--number' is {self.number}; leave it away."
            )
        own = set(ids)
        members = tuple(tuple(sorted(own & set(listed))) for listed in lists.values())
        check_unique([name for listed in lists.values() for name in listed])
        for name, present in zip(lists, members, strict=True):
            if not present:
                raise SplitError(
                    f"The dataset has none of the ids in '{name}' of '{file}'; its own look like "
                    f"'{ids[0]}'."
                )
        return Folds(
            algorithm=f"listed in {file.name}",
            seed=self.seed,
            ids=tuple(ids),
            members=members,
            kind="strata",
            keys=dict.fromkeys(ids, ""),
            validation=self.validation,
        )


_WORDS = {
    "random": "random",
    "crystal-system": "stratified by {}",
    "label": "stratified by {}",
    "composition": "grouped by {}",
    "prototype": "grouped by {}",
    "trajectory": "grouped by {}",
    "time": "blocks in time",
}


def _deal_strata(
    ids: Sequence[str], keys: Mapping[str, str], number: int, seed: int
) -> list[list[str]]:
    """Shuffle each stratum and deal one crystal after the other, so that all folds are alike."""
    generator = np.random.Generator(np.random.PCG64(seed))
    order = [
        names[k]
        for names in _by_key(sorted(ids), keys).values()
        for k in generator.permutation(len(names))
    ]
    return [order[fold::number] for fold in range(number)]


def _deal_groups(
    ids: Sequence[str], keys: Mapping[str, str], number: int, seed: int
) -> list[list[str]]:
    """Give whole groups, shuffled and then the largest first, to the fold with the fewest."""
    groups = list(_by_key(sorted(ids), keys).values())
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(groups))
    shuffled = [groups[k] for k in order]
    folds: list[list[str]] = [[] for _ in range(number)]
    # A large group that came last would find no small ones to even it out.
    for group in sorted(shuffled, key=len, reverse=True):
        min(folds, key=len).extend(group)
    return folds


def _deal_series(
    ids: Sequence[str], keys: Mapping[str, str], number: int, seed: int
) -> list[list[str]]:
    """Cut each series into consecutive blocks, one for each fold."""
    del seed  # time has an order of its own
    folds: list[list[str]] = [[] for _ in range(number)]
    for start, names in enumerate(_by_key(ids, keys).values()):
        cuts = [round(k * len(names) / number) for k in range(number + 1)]
        for block in range(number):
            # Series begin with different folds: short ones would all fill the same few.
            folds[(start + block) % number] += names[cuts[block] : cuts[block + 1]]
    return folds


def _by_key(ids: Sequence[str], keys: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the ids of each stratum, group or series, these sorted by name."""
    members: dict[str, list[str]] = {}
    for name in ids:
        members.setdefault(keys[name], []).append(name)
    return dict(sorted(members.items()))


def _label_strata(dataset: Dataset, label: str) -> list[str]:
    """Return the class of each crystal, or the tenth of the labels that its number belongs to."""
    info = targets_of(dataset)[label]
    if info.per_atom or info.shape:
        raise SplitError(
            f"'{label}' has several values for a crystal, by which nothing can be stratified; "
            "take folds by something else."
        )
    blocks = [
        read_crystals(dataset, range(k, min(k + _CHUNK, len(dataset))), [label]).targets[label]
        for k in range(0, len(dataset), _CHUNK)
    ]
    values = np.concatenate([block.numpy() for block in blocks])
    if info.is_class:
        return [str(value) for value in values.tolist()]
    present = values[~np.isnan(values)]
    if not len(present):
        raise SplitError(f"No crystal has the label '{label}'; take folds by something else.")
    edges = np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = np.where(np.isnan(values), -1, np.searchsorted(edges, values))
    return [f"{place:02d}" for place in bins.tolist()]
