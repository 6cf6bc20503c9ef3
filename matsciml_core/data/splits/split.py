"""Splits: who trains, who validates, who tests. Made over sorted ids, stored as files, hashed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import SplitError
from matsciml_core.files import write_whole

PARTS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)
FORMAT = "matsciml-split"
VERSION = 1
UNUSED = "unused"
"""Part of the crystals that are in none of the others."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A partition of a dataset's ids into parts."""

    algorithm: str
    """How it was made, for people: ``random``, ``stratified by crystal system``, …"""
    seed: int | None
    """Seed of the shuffle; None where there was none."""
    parts: Mapping[str, tuple[str, ...]]
    """Ids by part, each sorted."""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids by part that were asked for and that the data do not have."""

    @property
    def ids_hash(self) -> str:
        """SHA-256 of all sorted ids: says which dataset the split belongs to."""
        return hash_ids([name for part in self.parts.values() for name in part])

    @property
    def hash(self) -> str:
        """SHA-256 of the assignment of ids to parts: says which split it is."""
        text = json.dumps({name: sorted(ids) for name, ids in self.parts.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def indices(self, ids: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return the indices of each part in a dataset.

        Args:
            ids: The dataset's ids, in its order.

        Returns:
            Ascending indices by part.

        Raises:
            SplitError: The dataset does not hold exactly the ids of the split.
        """
        place = {name: index for index, name in enumerate(ids)}
        listed = [name for part in self.parts.values() for name in part]
        if hash_ids(ids) != self.ids_hash:
            missing = [name for name in listed if name not in place]
            extra = len(place) - (len(listed) - len(missing))
            example = f", for example '{missing[0]}'" if missing else ""
            raise SplitError(
                f"The split ({self.algorithm}, {len(listed)} ids) was made for other data: "
                f"{len(missing)} of its ids are missing from the dataset{example}, and {extra} of "
                "the dataset's are not in it; make a new split, or use the data it was made for."
            )
        return {
            part: np.sort(np.fromiter((place[name] for name in names), np.int64, len(names)))
            for part, names in self.parts.items()
        }

    def restrict(self, ids: Iterable[str]) -> Self:
        """Return the split of a part of the data; nothing moves from one part to another.

        Args:
            ids: The ids to keep.

        Returns:
            The split without all other ids.

        Raises:
            SplitError: A part would lose all its ids.
        """
        kept = set(ids)
        parts = {
            part: tuple(name for name in names if name in kept)
            for part, names in self.parts.items()
        }
        for part, names in parts.items():
            if self.parts[part] and not names:
                raise SplitError(
                    f"None of the {len(kept)} crystals kept is in the part '{part}' of the split "
                    f"({self.algorithm}); keep more crystals, or use the split 'random'."
                )
        return replace(self, algorithm=f"{self.algorithm}, restricted", parts=parts)

    def limit(self, part: str, most: int, seed: int) -> Self:
        """Return the split with so many crystals of a part; the others of it become unused.

        Args:
            part: The part.
            most: How many to keep, at least 1.
            seed: Seed of the draw, which goes over the sorted ids. A smaller number keeps some of
                the same crystals.

        Returns:
            The split; this one where the part has no more.
        """
        names = sorted(self.parts[part])
        if most >= len(names):
            return self
        order = np.random.default_rng(seed).permutation(len(names)).tolist()
        kept, rest = ([names[k] for k in chosen] for chosen in (order[:most], order[most:]))
        parts = {**self.parts, part: kept, UNUSED: (*self.parts.get(UNUSED, ()), *rest)}
        return replace(
            self,
            algorithm=f"{self.algorithm}; {part} limited to {most} of {len(names)}",
            parts={name: tuple(sorted(ids)) for name, ids in parts.items()},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the split to a JSON file."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "algorithm": self.algorithm,
            "seed": self.seed,
            "ids_sha256": self.ids_hash,
            "sha256": self.hash,
            "parts": {name: list(ids) for name, ids in self.parts.items()},
        }
        if self.missing:
            data["missing"] = {name: list(ids) for name, ids in self.missing.items()}
        write_whole(Path(path), f"{json.dumps(data, indent=0)}\n".encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a split from a JSON file.

        Raises:
            SplitError: The file is unreadable, or its hash does not match its content.
        """
        try:
            data: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            split = cls(
                algorithm=data["algorithm"],
                seed=data["seed"],
                parts={name: tuple(ids) for name, ids in data["parts"].items()},
                missing={name: tuple(ids) for name, ids in data.get("missing", {}).items()},
            )
            recorded = data["sha256"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SplitError(f"'{path}' is not a split file ({error}).") from error
        if recorded != split.hash:
            raise SplitError(
                f"The split file '{path}' was changed after it was made: its hash does not match; "
                "restore the file or make a new split."
            )
        return split


def random_split(
    ids: Sequence[str], *, fractions: Sequence[float] = FRACTIONS, seed: int = 0
) -> Split:
    """Split at random, over the sorted ids, so that the order of the data does not matter.

    Args:
        ids: Unique ids.
        fractions: Share of training, validation and test.
        seed: Seed of the shuffle (NumPy's PCG64).

    Returns:
        The split.

    Raises:
        SplitError: Ids are not unique.
    """
    return _make(ids, ["" for _ in ids], fractions, seed, "random")


def stratified_split(
    ids: Sequence[str],
    strata: Sequence[str],
    *,
    by: str,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Split:
    """Split each stratum by itself, so that every part has the same mix.

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
    return _make(ids, strata, fractions, seed, f"stratified by {by}")


def grouped_split(
    ids: Sequence[str],
    groups: Sequence[str],
    *,
    by: str,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Split:
    """Split whole groups, so that nothing in the test part has a relative in the training part.

    The groups are shuffled and dealt one by one to the part that is furthest behind its share, so
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
        SplitError: Ids are not unique, or there are fewer groups than parts.
    """
    members = _members(ids, groups)
    shares = np.asarray(fractions, dtype=np.float64) / np.sum(fractions)
    if len(members) < np.count_nonzero(shares):
        raise SplitError(
            f"There are only {len(members)} groups by {by}, too few for as many parts; split by "
            "something else, or at random."
        )
    names = sorted(members)
    generator = np.random.Generator(np.random.PCG64(seed))
    filled = np.zeros(len(PARTS))
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for k in generator.permutation(len(names)):
        group = members[names[k]]
        goal = shares * (filled.sum() + len(group))
        # A part that is to stay empty is never behind.
        behind = np.where(shares > 0, goal - filled, -np.inf)
        chosen = int(np.argmax(behind))
        filled[chosen] += len(group)
        parts[PARTS[chosen]].extend(group)
    return make_split(f"grouped by {by}", seed, parts)


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
    for name, one in zip(ids, ("" for _ in ids) if series is None else series, strict=True):
        members.setdefault(one, []).append(name)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for names in members.values():
        _deal(names, fractions, parts)
    return make_split("blocks in time", None, parts)


def sized_split(
    ids: Sequence[str], sizes: Sequence[int], *, seed: int = 0, source: str = ""
) -> Split:
    """Draw parts of given sizes at random, over the sorted ids; what is over stays unused.

    For a publication that states sizes and no ids.

    Args:
        ids: Unique ids.
        sizes: Crystals for training, validation and test.
        seed: Seed of the shuffle (NumPy's PCG64).
        source: Who states the sizes, for the record.

    Returns:
        The split.

    Raises:
        SplitError: Ids are not unique, or there are fewer than the parts take.
    """
    check_unique(ids)
    if sum(sizes) > len(ids):
        raise SplitError(
            f"The split needs {sum(sizes):,} crystals and the dataset has {len(ids):,}; fetch all "
            "of it, or use the split 'random'."
        )
    names = sorted(ids)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names)).tolist()
    cuts = np.cumsum([0, *sizes, len(names) - sum(sizes)]).tolist()
    parts = {
        part: [names[k] for k in order[first:last]]
        for part, (first, last) in zip((*PARTS, UNUSED), pairwise(cuts), strict=True)
    }
    if not parts[UNUSED]:
        del parts[UNUSED]
    return make_split(f"random, with the sizes of {source}" if source else "random", seed, parts)


def hash_ids(ids: Sequence[str]) -> str:
    """Return the SHA-256 of the sorted ids, one per line."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def check_unique(ids: Sequence[str]) -> None:
    """Refuse ids that occur twice.

    Raises:
        SplitError: One does.
    """
    if len(set(ids)) != len(ids):
        raise SplitError("The ids of the dataset are not unique; a split needs unique ids.")


def make_split(how: str, seed: int | None, parts: Mapping[str, Sequence[str]]) -> Split:
    """Return a split of parts with ids in any order.

    Args:
        how: See ``Split.algorithm``.
        seed: See ``Split.seed``.
        parts: Ids by part.
    """
    return Split(
        algorithm=how,
        seed=seed,
        parts={part: tuple(sorted(names)) for part, names in parts.items()},
    )


def _make(
    ids: Sequence[str], strata: Sequence[str], fractions: Sequence[float], seed: int, how: str
) -> Split:
    members = _members(ids, strata)
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for stratum in sorted(members):
        names = members[stratum]
        _deal([names[k] for k in generator.permutation(len(names))], fractions, parts)
    return make_split(how, seed, parts)


def _deal(names: Sequence[str], fractions: Sequence[float], parts: dict[str, list[str]]) -> None:
    """Cut ids into consecutive blocks, one for each part."""
    bounds = np.cumsum(fractions) / np.sum(fractions)
    cuts = [0, *(round(bound * len(names)) for bound in bounds.tolist())]
    for part, (first, last) in zip(PARTS, pairwise(cuts), strict=True):
        parts[part].extend(names[first:last])


def _members(ids: Sequence[str], groups: Sequence[str]) -> dict[str, list[str]]:
    """Return the sorted ids of each group."""
    check_unique(ids)
    members: dict[str, list[str]] = {}
    for name, group in sorted(zip(ids, groups, strict=True)):
        members.setdefault(group, []).append(name)
    return members
