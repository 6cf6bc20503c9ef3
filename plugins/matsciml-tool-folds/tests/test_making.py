"""Folds partition the crystals, and what is to be kept apart is kept apart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from matsciml_core.data.splits.grouping import compositions
from matsciml_core.errors import ConfigError, SplitError
from matsciml_core.testing.examples import ExampleDataset
from matsciml_tool_folds.making import WAYS, FoldRequest

SUBSETS = ("train", "validation", "test")


class Frames(ExampleDataset):
    """The example as frames of two trajectories, of 30 and of 10."""

    @property
    def ids(self):
        return [f"{'long' if k < 30 else 'short'}/{k:03d}" for k in range(len(self))]

    def __getitem__(self, index):
        return replace(super().__getitem__(index), id=self.ids[index])


@pytest.fixture(scope="module")
def dataset():
    return Frames()


@pytest.mark.parametrize("by", [by for by in WAYS if by != "trajectory"])
def test_every_crystal_is_tested_once_and_seen_by_no_other_part_of_that_run(dataset, by):
    label = "is_large" if by == "label" else "energy"
    folds = FoldRequest(by=by, number=4, validation=0.3).make(dataset, label)
    assert sorted(name for ids in folds.members for name in ids) == sorted(dataset.ids)
    for fold in range(4):
        split = folds.split(fold)
        parts = [set(split.subsets[name]) for name in SUBSETS]
        assert all(parts)
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(dataset)
        assert parts[2] == set(folds.members[fold])


def test_a_trajectory_is_tested_whole(dataset):
    folds = FoldRequest(by="trajectory", number=2).make(dataset, "energy")
    assert sorted(map(len, folds.members)) == [10, 30]


@pytest.mark.parametrize("by", ["random", "crystal-system", "label"])
def test_strata_are_spread_evenly(dataset, by):
    folds = FoldRequest(by=by, number=4).make(dataset, "is_large")
    for stratum in set(folds.keys.values()):
        sizes = [sum(folds.keys[name] == stratum for name in ids) for ids in folds.members]
        assert max(sizes) - min(sizes) <= 1
    assert {len(ids) for ids in folds.members} == {10}


def test_a_number_is_stratified_by_tenths(dataset):
    folds = FoldRequest(by="label", number=4).make(dataset, "energy")
    assert len(set(folds.keys.values())) == 10


def test_a_composition_is_in_one_part_of_a_run_only(dataset):
    composition = dict(zip(dataset.ids, compositions(dataset), strict=True))
    folds = FoldRequest(by="composition", number=3, validation=0.3).make(dataset, "energy")
    for fold in range(3):
        split = folds.split(fold)
        groups = [{composition[name] for name in split.subsets[part]} for part in SUBSETS]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]


def test_blocks_in_time_are_consecutive_frames_of_each_trajectory(dataset):
    folds = FoldRequest(by="time", number=5).make(dataset, "energy")
    for ids in folds.members:
        for start in ("long", "short"):
            frames = [int(name.rpartition("/")[2]) for name in ids if name.startswith(start)]
            assert frames == list(range(frames[0], frames[0] + len(frames)))


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_data(dataset):
    class Reversed(Frames):
        @property
        def ids(self):
            return super().ids[::-1]

    one = FoldRequest(by="random").make(dataset, "energy")
    assert FoldRequest(by="random").make(Reversed(), "energy").members == one.members
    assert FoldRequest(by="random", seed=1).make(dataset, "energy").members != one.members


def test_folds_are_read_from_a_file(dataset, tmp_path):
    file = tmp_path / "folds.json"
    ids = dataset.ids
    file.write_text(json.dumps({"a": ids[:10], "b": [*ids[10:20], "gone"], "c": ids[20:30]}))
    folds = FoldRequest(by=str(file)).make(dataset, "energy")
    assert folds.members[1] == tuple(ids[10:20])
    split = folds.split(0)
    assert set(split.subsets["unused"]) == set(ids[30:])  # which no fold lists
    assert set(split.subsets["train"]) | set(split.subsets["validation"]) == set(ids[10:30])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"train": ["long/000"], "test": ["long/001"]}, "holds a split"),
        ({"a": ["long/000"]}, "one list"),
        ({"a": ["long/000"], "b": ["elsewhere"]}, "none of the ids in 'b'"),
        ({"a": ["long/000"], "b": ["long/000"]}, "not unique"),
    ],
)
def test_files_that_hold_no_folds_are_refused(dataset, tmp_path, content, sentence):
    file = tmp_path / "folds.json"
    file.write_text(json.dumps(content))
    with pytest.raises(SplitError, match=sentence):
        FoldRequest(by=str(file)).make(dataset, "energy")


def test_a_number_beside_a_file_must_be_the_files(dataset, tmp_path):
    file = tmp_path / "folds.json"
    file.write_text(json.dumps({"a": ["long/000"], "b": ["long/001"]}))
    with pytest.raises(ConfigError, match="has 2 folds, and '--number' is 3"):
        FoldRequest(by=str(file), number=3).make(dataset, "energy")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (FoldRequest(number=41), "cannot be dealt to 41 folds"),
        (FoldRequest(number=10**9), "cannot be dealt to 1000000000 folds"),
        (FoldRequest(by="trajectory", number=3), "2 groups by trajectory"),
        (FoldRequest(number=1), "at least 2"),
    ],
)
def test_more_folds_than_there_is_to_deal_are_refused(dataset, request_, sentence):
    with pytest.raises(SplitError, match=sentence):
        request_.make(dataset, "energy")


def test_an_unknown_way_names_the_closest(dataset):
    with pytest.raises(ConfigError, match="Did you mean 'composition'"):
        FoldRequest(by="compositions").make(dataset, "energy")


def test_a_path_is_told_from_a_way(dataset, tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        FoldRequest(by=str(tmp_path)).make(dataset, "energy")
    with pytest.raises(ConfigError, match=r"The file 'folds\.json' does not exist"):
        FoldRequest(by="folds.json").make(dataset, "energy")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_is_none_is_refused(dataset, share):
    with pytest.raises(ConfigError, match="is no share"):
        FoldRequest(validation=share).make(dataset, "energy")


def test_a_run_without_validation_crystals_is_refused(dataset):
    folds = FoldRequest(number=20, validation=0.001).make(dataset, "energy")
    with pytest.raises(SplitError, match="left for validation beside fold 1"):
        folds.split(0)


class Unnamed(ExampleDataset):
    """The example as frames that do not say whose they are."""


def test_time_without_trajectories_is_one_series_and_said(dataset):
    assert FoldRequest(by="time", number=5).make(dataset, "energy").assumed == ""
    folds = FoldRequest(by="time", number=4).make(Unnamed(), "energy")
    assert "No crystal is of a trajectory" in folds.assumed
    assert folds.members[0] == tuple(Unnamed().ids[:10])
    assert FoldRequest(by="random").make(Unnamed(), "energy").assumed == ""
