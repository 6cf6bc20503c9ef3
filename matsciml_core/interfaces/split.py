"""The record of a split, its file, and the split that a dataset has by default."""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, compress, islice, pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import SplitError
from matsciml_core.files import write_whole
from matsciml_core.guarded import read_json

SUBSETS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)
FORMAT = "matsciml-split"
VERSION = 1
UNUSED = "unused"
"""Subset of the crystals that are in none of the others."""
_REPEATED = "The ids of the dataset are not unique; a split needs unique ids."


@dataclass(frozen=True, kw_only=True)
class Split:
    """A partition of a dataset's ids into subsets."""

    algorithm: str
    """How it was made, for people: ``random``, ``stratified by crystal system``, …"""
    seed: int | None
    """Seed of the shuffle; None where there was none."""
    subsets: Mapping[str, tuple[str, ...]]
    """Ids by subset, each sorted."""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids by subset that were asked for and that the data do not have."""

    # Both are asked for several times, and take a second for each million ids.
    @cached_property
    def ids_hash(self) -> str:
        """SHA-256 of all sorted ids: says which dataset the split belongs to."""
        return hash_ids([*chain.from_iterable(self.subsets.values())])

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the assignment of ids to subsets: says which split it is."""
        text = json.dumps({name: sorted(ids) for name, ids in self.subsets.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def indices(self, ids: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return the indices of each subset in a dataset.

        Args:
            ids: The dataset's ids, in its order.

        Returns:
            Ascending indices by subset.

        Raises:
            SplitError: The dataset does not hold exactly the ids of the split.
        """
        members = self._members(ids)
        if any(
            sorted(compress(ids, mask.tobytes())) != sorted(self.subsets[subset])
            for subset, mask in members.items()
        ) or len(ids) != sum(map(len, self.subsets.values())):
            raise SplitError(self._explain_difference(ids))
        return {subset: np.flatnonzero(mask) for subset, mask in members.items()}

    def _members(self, ids: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
        """Return which ids each subset names, ``(crystals,)``; of the largest, which no other does.

        A table of all ids would take a gigabyte for ten million, so that only the other subsets,
        a fifth of them as a rule, are looked up.
        """
        largest = max(self.subsets, key=lambda subset: len(self.subsets[subset]), default=None)
        rest = np.ones(len(ids), dtype=bool)
        members = {}
        for subset, names in self.subsets.items():
            members[subset] = rest
            if subset != largest:
                found = map(frozenset(names).__contains__, ids)
                members[subset] = np.fromiter(found, dtype=bool, count=len(ids))
        for subset in members.keys() - {largest}:
            rest &= ~members[subset]
        return members

    def _explain_difference(self, ids: Sequence[str]) -> str:
        """Return in what the ids of a dataset differ from those of the split."""
        own, listed = set(ids), [*chain.from_iterable(self.subsets.values())]
        missing = [name for name in listed if name not in own]
        extra = len(own) - (len(listed) - len(missing))
        example = f", for example '{missing[0]}'" if missing else ""
        return (
            f"The split ({self.algorithm}, {len(listed)} ids) was made for other data: "
            f"{len(missing)} of its ids are missing from the dataset{example}, and {extra} of "
            "the dataset's are not in it; make a new split, or use the data it was made for."
        )

    def restrict(self, ids: Iterable[str]) -> Self:
        """Return the split of a part of the data; nothing moves from one part to another.

        Args:
            ids: The ids to keep.

        Returns:
            The split without all other ids.

        Raises:
            SplitError: A subset would lose all its ids.
        """
        kept = set(ids)
        subsets = {
            subset: tuple(name for name in names if name in kept)
            for subset, names in self.subsets.items()
        }
        for subset, names in subsets.items():
            if self.subsets[subset] and not names:
                raise SplitError(
                    f"None of the {len(kept)} crystals kept is in the subset '{subset}' of the "
                    f"split ({self.algorithm}); keep more crystals, or use the split 'random'."
                )
        return replace(self, algorithm=f"{self.algorithm}, restricted", subsets=subsets)

    def limit(self, subset: str, most: int, seed: int) -> Self:
        """Return the split with so many crystals of a subset; the others of it become unused.

        Args:
            subset: The subset.
            most: How many to keep, at least 1.
            seed: Seed of the sample, which is taken from the sorted ids. A smaller number keeps
                some of the same crystals.

        Returns:
            The split; this one where the subset has no more.
        """
        names = sorted(self.subsets[subset])
        if most >= len(names):
            return self
        order = np.random.default_rng(seed).permutation(len(names)).tolist()
        kept, rest = ([names[k] for k in chosen] for chosen in (order[:most], order[most:]))
        subsets = {**self.subsets, subset: kept, UNUSED: (*self.subsets.get(UNUSED, ()), *rest)}
        return replace(
            self,
            algorithm=f"{self.algorithm}; {subset} limited to {most} of {len(names)}",
            subsets={name: tuple(sorted(ids)) for name, ids in subsets.items()},
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
            "subsets": {name: list(ids) for name, ids in self.subsets.items()},
        }
        if self.missing:
            data["missing"] = {name: list(ids) for name, ids in self.missing.items()}
        # An id per line; "indent", which would do the same, is written in Python and takes longer.
        text = json.dumps(data, separators=(",\n", ": "))
        write_whole(Path(path), f"{text}\n".encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a split from a JSON file.

        Raises:
            SplitError: The file is unreadable, or its hash does not match its content.
        """
        try:
            data: dict[str, Any] = read_json(Path(path), largest=None)
            split = cls(
                algorithm=data["algorithm"],
                seed=data["seed"],
                subsets={name: tuple(ids) for name, ids in data["subsets"].items()},
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
    names = sorted(ids)
    if any(map(operator.eq, names, islice(names, 1, None))):
        raise SplitError(_REPEATED)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    chosen = np.zeros(len(names), dtype=bool)
    subsets = {}
    for subset, block in subset_slices(len(names), fractions).items():
        # In the order of the names: sorting each subset takes longer than all else here.
        chosen[:] = False
        chosen[order[block]] = True
        subsets[subset] = tuple(compress(names, chosen.tobytes()))
    return Split(algorithm="random", seed=seed, subsets=subsets)


def hash_ids(ids: Sequence[str]) -> str:
    """Return the SHA-256 of the sorted ids, one per line."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def check_unique(ids: Sequence[str]) -> None:
    """Reject ids that occur twice.

    Raises:
        SplitError: One does.
    """
    if len(set(ids)) != len(ids):
        raise SplitError(_REPEATED)


def make_split(how: str, seed: int | None, subsets: Mapping[str, Sequence[str]]) -> Split:
    """Return a split of subsets with ids in any order.

    Args:
        how: See ``Split.algorithm``.
        seed: See ``Split.seed``.
        subsets: Ids by subset.
    """
    return Split(
        algorithm=how,
        seed=seed,
        subsets={subset: tuple(sorted(names)) for subset, names in subsets.items()},
    )


def shares_of(fractions: Sequence[float]) -> NDArray[np.float64]:
    """Return the shares of training, validation and test, which add up to one.

    Args:
        fractions: The same in any proportion, dimensionless.

    Returns:
        ``(3,)``, dimensionless.

    Raises:
        SplitError: They are not three numbers from zero up, with one above it.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (len(SUBSETS),) or not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
        raise SplitError(
            f"The shares {tuple(fractions)} are no shares of training, validation and test; give "
            "three numbers such as 0.8, 0.1, 0.1."
        )
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised


def cut_into_subsets(names: Sequence[str], fractions: Sequence[float]) -> dict[str, Sequence[str]]:
    """Cut ids into consecutive blocks, one for each subset.

    Args:
        names: Ids in the order in which they are cut.
        fractions: Share of training, validation and test; only their ratios matter.

    Returns:
        Ids by subset.

    Raises:
        SplitError: The shares are not three numbers from zero up, with one above it.
    """
    return {subset: names[block] for subset, block in subset_slices(len(names), fractions).items()}


def subset_slices(count: int, fractions: Sequence[float]) -> dict[str, slice]:
    """Return the consecutive block that each subset is of so many ids.

    Args:
        count: Number of ids.
        fractions: Share of training, validation and test; only their ratios matter.

    Raises:
        SplitError: The shares are not three numbers from zero up, with one above it.
    """
    bounds = np.cumsum(shares_of(fractions))
    cuts = [0, *(round(bound * count) for bound in bounds.tolist())]
    return {
        subset: slice(first, last)
        for subset, (first, last) in zip(SUBSETS, pairwise(cuts), strict=True)
    }
