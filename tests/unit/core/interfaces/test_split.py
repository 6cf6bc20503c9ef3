"""The record of a split: reproducible, tied to its data, safe against tampering."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest

from matsciml_core import Split, random_split
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.split import hash_ids
from matsciml_core.testing.examples import ExampleDataset

IDS = [f"mp-{number}" for number in range(1000)]


def shuffled(ids: list[str]) -> list[str]:
    """Return the ids in another order."""
    return random.Random(5).sample(ids, len(ids))


class TestRandom:
    def test_same_seed_same_split(self) -> None:
        assert random_split(IDS, seed=3) == random_split(IDS, seed=3)

    def test_other_seed_other_split_of_the_same_data(self) -> None:
        one, other = random_split(IDS, seed=3), random_split(IDS, seed=4)
        assert one.hash != other.hash
        assert one.ids_hash == other.ids_hash

    def test_the_order_of_the_data_does_not_matter(self) -> None:
        ids = shuffled(IDS)
        assert ids != IDS
        assert random_split(ids).hash == random_split(IDS).hash

    def test_is_the_documented_algorithm(self) -> None:
        """PCG64 over the sorted ids: anyone can make the same split without this package."""
        order = np.random.Generator(np.random.PCG64(7)).permutation(1000)
        expected = [sorted(IDS)[k] for k in order[:800]]
        assert random_split(IDS, seed=7).subsets["train"] == tuple(sorted(expected))

    def test_test_ids_are_not_a_block_of_the_sorted_ids(self) -> None:
        numbers = [sorted(IDS).index(name) for name in random_split(IDS).subsets["test"]]
        assert 400 < np.mean(numbers) < 600
        assert np.std(numbers) > 200

    def test_other_fractions(self) -> None:
        split = random_split(IDS, fractions=(7, 2, 1))
        assert [len(names) for names in split.subsets.values()] == [700, 200, 100]

    @pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 99])
    def test_few_ids_are_all_used(self, count: int) -> None:
        split = random_split(IDS[:count])
        assert sum(map(len, split.subsets.values())) == count
        assert split.subsets["train"]

    def test_ids_must_be_unique(self) -> None:
        with pytest.raises(SplitError, match="not unique"):
            random_split([*IDS, IDS[0]])


class TestIndices:
    def test_indices_point_at_the_ids_of_the_subset(self) -> None:
        ids = shuffled(IDS)
        split = random_split(IDS)
        for subset, indices in split.indices(ids).items():
            assert indices.dtype == np.int64
            assert (np.diff(indices) > 0).all()
            assert sorted(ids[k] for k in indices) == list(split.subsets[subset])

    def test_subsets_may_be_empty(self) -> None:
        split = Split(algorithm="by hand", seed=None, subsets={"train": ("a",), "test": ()})
        assert split.indices(["a"])["test"].shape == (0,)

    def test_other_data_is_refused_with_what_differs(self) -> None:
        split = random_split(IDS)
        with pytest.raises(SplitError, match="1 of its ids are missing") as caught:
            split.indices([*IDS[1:], "mp-new", "mp-newer"])
        assert "for example 'mp-0'" in str(caught.value)
        assert "and 2 of the dataset's are not in it" in str(caught.value)

    def test_more_data_is_refused_too(self) -> None:
        with pytest.raises(SplitError, match=r"0 of its ids are missing.*and 1 of"):
            random_split(IDS).indices([*IDS, "mp-new"])

    def test_an_id_twice_in_the_data_is_refused(self) -> None:
        with pytest.raises(SplitError, match="made for other data"):
            random_split(IDS).indices([*IDS, IDS[0]])


class TestHash:
    def test_hash_of_ids_is_sha256_of_the_sorted_lines(self) -> None:
        assert hash_ids(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()

    def test_hash_tells_which_subset_an_id_is_in(self) -> None:
        one = Split(algorithm="x", seed=0, subsets={"train": ("a", "b"), "test": ("c",)})
        other = Split(algorithm="x", seed=0, subsets={"train": ("a", "c"), "test": ("b",)})
        assert one.hash != other.hash
        assert one.ids_hash == other.ids_hash

    def test_hash_ignores_how_the_split_was_made(self) -> None:
        one = Split(algorithm="x", seed=0, subsets={"train": ("a", "b")})
        other = Split(algorithm="y", seed=None, subsets={"train": ("b", "a")})
        assert one.hash == other.hash


class TestRestrict:
    def test_nothing_moves_between_subsets(self) -> None:
        split = random_split(IDS)
        kept = IDS[::2]
        smaller = split.restrict(kept)
        for subset, names in smaller.subsets.items():
            assert set(names) == set(split.subsets[subset]) & set(kept)
        assert smaller.ids_hash == hash_ids(kept)
        smaller.indices(kept)

    def test_says_that_it_was_restricted(self) -> None:
        smaller = random_split(IDS, seed=4).restrict(IDS[:500])
        assert smaller.algorithm == "random, restricted"
        assert smaller.seed == 4

    def test_unknown_ids_stay_unknown(self) -> None:
        """Restricting must not hide that the data has ids without a subset."""
        kept = [*IDS[:500], "mp-new"]
        with pytest.raises(SplitError, match="1 of the dataset's are not in it"):
            random_split(IDS).restrict(kept).indices(kept)

    def test_a_subset_that_would_be_empty_is_an_error(self) -> None:
        split = random_split(IDS)
        with pytest.raises(
            SplitError, match="None of the 800 crystals kept is in the subset 'valid"
        ):
            split.restrict(split.subsets["train"])

    def test_a_subset_that_was_empty_may_stay_so(self) -> None:
        split = Split(algorithm="x", seed=0, subsets={"train": ("a", "b"), "test": ()})
        assert split.restrict(["a"]).subsets == {"train": ("a",), "test": ()}


class TestLimit:
    SPLIT = random_split(IDS, seed=3)

    def drawn(self, most: int, seed: int = 0) -> set[str]:
        return set(self.SPLIT.limit("train", most, seed).subsets["train"])

    def test_the_others_are_unused_and_nothing_else_moves(self) -> None:
        limited = self.SPLIT.limit("train", 10, 0)
        assert set(limited.subsets["train"]) | set(limited.subsets["unused"]) == {
            *self.SPLIT.subsets["train"]
        }
        assert [len(limited.subsets[subset]) for subset in ("train", "unused")] == [10, 790]
        for subset in ("validation", "test"):
            assert limited.subsets[subset] == self.SPLIT.subsets[subset]
        assert limited.ids_hash == self.SPLIT.ids_hash

    def test_it_says_so(self) -> None:
        assert self.SPLIT.limit("train", 10, 0).algorithm == "random; train limited to 10 of 800"

    def test_fewer_are_some_of_the_same(self) -> None:
        assert self.drawn(4) < self.drawn(10) < self.drawn(799)

    def test_another_seed_draws_others(self) -> None:
        assert self.drawn(10) != self.drawn(10, seed=1)

    def test_the_order_of_the_ids_does_not_matter(self) -> None:
        subsets = {subset: names[::-1] for subset, names in self.SPLIT.subsets.items()}
        other = Split(algorithm="x", seed=None, subsets=subsets).limit("train", 10, 0)
        assert set(other.subsets["train"]) == self.drawn(10)

    @pytest.mark.parametrize("most", [800, 10_000])
    def test_where_there_are_no_more_all_are_kept(self, most: int) -> None:
        assert self.SPLIT.limit("train", most, 0) is self.SPLIT

    def test_what_was_unused_stays_so(self) -> None:
        split = self.SPLIT.limit("train", 30, 0)
        limited = split.limit("train", 20, 0)
        assert set(split.subsets["unused"]) < set(limited.subsets["unused"])
        assert len(limited.subsets["unused"]) == 780


class TestFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A saved split."""
        path = tmp_path / "split.json"
        random_split(IDS, seed=11).save(path)
        return path

    def test_round_trip(self, path: Path) -> None:
        assert Split.load(path) == random_split(IDS, seed=11)

    def test_file_states_seed_algorithm_and_hashes(self, path: Path) -> None:
        data = json.loads(path.read_text())
        assert data["format"] == "matsciml-split"
        assert data["version"] == 1
        assert data["seed"] == 11
        assert data["algorithm"] == "random"
        assert data["ids_sha256"] == hash_ids(IDS)
        assert data["sha256"] == random_split(IDS, seed=11).hash

    def test_saving_twice_gives_the_same_bytes(self, path: Path) -> None:
        before = path.read_bytes()
        Split.load(path).save(path)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("change", ["move", "drop", "add"])
    def test_tampering_is_noticed(self, path: Path, change: str) -> None:
        data = json.loads(path.read_text())
        if change == "move":
            data["subsets"]["train"].append(data["subsets"]["test"].pop())
        elif change == "drop":
            data["subsets"]["train"].pop()
        else:
            data["subsets"]["train"].append("mp-new")
        path.write_text(json.dumps(data))
        with pytest.raises(SplitError, match="was changed after it was made"):
            Split.load(path)

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "3", "{}", '{"algorithm": "x", "seed": 0, "subsets": [], "sha256": ""}'],
    )
    def test_other_files_are_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(SplitError, match=r"other\.json' is not a split file"):
            Split.load(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SplitError, match=r"absent\.json"):
            Split.load(tmp_path / "absent.json")


def test_every_dataset_takes_a_split_file(tmp_path: Path) -> None:
    dataset = ExampleDataset()
    split = random_split(dataset.ids, seed=5)
    split.save(tmp_path / "mine.json")
    assert dataset.split(str(tmp_path / "mine.json")) == split


@pytest.mark.parametrize(
    ("subsets", "ids"),
    [
        ({"train": ("a", "b"), "validation": ("b",)}, ["a", "b", "c"]),
        ({"train": ("a",), "validation": ("b",), "test": ("b",)}, ["a", "b", "b"]),
        ({"train": ("a", "b"), "validation": ("c",)}, ["a", "b", "c", "d"]),
        ({"train": ("a", "b"), "validation": ("c",)}, ["a", "c"]),
        ({}, ["a"]),
    ],
    ids=["two-subsets", "two-crystals", "more", "fewer", "none"],
)
def test_only_a_partition_of_the_ids_has_indices(subsets, ids):
    split = Split(algorithm="by hand", seed=None, subsets=subsets)
    with pytest.raises(SplitError, match="was made for other data"):
        split.indices(ids)
