"""Ways to split: shares, strata and groups that stay whole, independence of the order."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from matsciml_core.data.splits.algorithms import (
    blocked_split,
    grouped_split,
    stratified_split,
)
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.split import Split, random_split

IDS = [f"mp-{number}" for number in range(1000)]
SYSTEMS = ["cubic" if number % 10 else "triclinic" for number in range(1000)]


def stratified(ids: list[str] = IDS, strata: list[str] = SYSTEMS, **changes: object) -> Split:
    """Split by the crystal systems above."""
    return stratified_split(ids, strata, by="crystal system", **changes)


def shuffled(*columns: list[str]) -> tuple[list[str], ...]:
    """Return the columns in another order, the same for all."""
    order = list(range(len(columns[0])))
    random.Random(5).shuffle(order)
    return tuple([column[k] for k in order] for column in columns)


@pytest.mark.parametrize("split", [random_split(IDS), stratified()], ids=lambda s: s.algorithm)
class TestPartition:
    def test_every_id_is_in_exactly_one_subset(self, split: Split) -> None:
        listed = [name for subset in split.subsets.values() for name in subset]
        assert sorted(listed) == sorted(IDS)
        for one, other in combinations(split.subsets.values(), 2):
            assert not set(one) & set(other)

    def test_sizes_are_80_10_10(self, split: Split) -> None:
        sizes = {subset: len(names) for subset, names in split.subsets.items()}
        assert sizes == {"train": 800, "validation": 100, "test": 100}

    def test_subsets_are_sorted(self, split: Split) -> None:
        assert all(list(names) == sorted(names) for names in split.subsets.values())


class TestStratified:
    def test_every_subset_has_the_same_mix(self) -> None:
        system_of = dict(zip(IDS, SYSTEMS, strict=True))
        mixes = {
            subset: Counter(system_of[name] for name in names)
            for subset, names in stratified().subsets.items()
        }
        assert mixes == {
            "train": {"cubic": 720, "triclinic": 80},
            "validation": {"cubic": 90, "triclinic": 10},
            "test": {"cubic": 90, "triclinic": 10},
        }

    def test_order_of_the_data_does_not_matter(self) -> None:
        assert stratified(*shuffled(IDS, SYSTEMS)).hash == stratified().hash

    def test_differs_from_a_random_split_and_says_so(self) -> None:
        assert stratified().hash != random_split(IDS).hash
        assert stratified().algorithm == "stratified by crystal system"
        assert stratified().seed == 0

    def test_seed_matters(self) -> None:
        assert stratified(seed=1).hash != stratified(seed=2).hash

    def test_one_id_per_stratum_goes_to_training(self) -> None:
        split = stratified(["a", "b", "c"], ["1", "2", "3"])
        assert split.subsets == {"train": ("a", "b", "c"), "validation": (), "test": ()}

    def test_every_id_needs_a_stratum(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            stratified(IDS, SYSTEMS[:-1])


class TestGrouped:
    GROUPS = tuple(f"g{number % 137}" for number in range(1000))

    def grouped(self, ids=IDS, groups=GROUPS, **changes) -> Split:
        return grouped_split(ids, groups, by="composition", **changes)

    def test_no_group_is_in_two_subsets(self):
        place = dict(zip(IDS, self.GROUPS, strict=True))
        subsets = [{place[name] for name in ids} for ids in self.grouped().subsets.values()]
        for one, other in combinations(subsets, 2):
            assert not one & other

    def test_the_shares_are_met(self):
        sizes = [len(ids) for ids in self.grouped(fractions=(0.5, 0.3, 0.2)).subsets.values()]
        assert sum(sizes) == 1000
        assert np.allclose(sizes, [500, 300, 200], atol=10)

    def test_a_subset_may_be_empty(self):
        subsets = self.grouped(fractions=(0.9, 0.0, 0.1)).subsets
        assert subsets["validation"] == ()

    def test_order_does_not_matter_and_the_seed_does(self):
        ids, groups = shuffled(IDS, list(self.GROUPS))
        assert self.grouped(ids, groups).hash == self.grouped().hash
        assert self.grouped(seed=1).hash != self.grouped().hash

    def test_too_few_groups_are_an_error(self):
        with pytest.raises(SplitError, match="only 2 groups"):
            self.grouped(IDS[:4], ["a", "b", "a", "b"])


class TestBlocked:
    def test_subsets_follow_each_other(self):
        subsets = blocked_split(IDS, fractions=(0.8, 0.1, 0.1)).subsets
        assert set(subsets["train"]) == set(IDS[:800])
        assert set(subsets["validation"]) == set(IDS[800:900])
        assert set(subsets["test"]) == set(IDS[900:])

    def test_each_series_is_cut_by_itself(self):
        frames = [f"{name}/{k}" for name in "ab" for k in range(10)]
        subsets = blocked_split(
            frames, [name[0] for name in frames], fractions=(0.5, 0.2, 0.3)
        ).subsets
        assert subsets["validation"] == ("a/5", "a/6", "b/5", "b/6")
        assert subsets["test"] == ("a/7", "a/8", "a/9", "b/7", "b/8", "b/9")
