"""Lists of ids of other people become splits, whatever form they come in."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from matsciml_core.data.splits.listed import listed_split, read_lists
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.split import Split, random_split

IDS = [f"mp-{number}" for number in range(1000)]
LISTS = {"train": ["mp-1", "mp-2"], "val": ["mp-3"], "test": ["mp-4"]}


def read(folder: Path, **files: str) -> dict[str, list[str]]:
    """Write files (``name_suffix`` for name.suffix) and read them."""
    paths = []
    for name, text in files.items():
        paths.append(folder / name.replace("__", "."))
        paths[-1].write_text(text)
    return read_lists(paths)


def test_lists_of_somebody_else_are_taken_over(tmp_path):
    lists = read(
        tmp_path, theirs__yml="train:\n- mp-1\n- mp-2\n- mp-9999\nval:\n- mp-3\ntest:\n- mp-4\n"
    )
    split = listed_split(IDS, lists, source="theirs.yml")
    assert split.subsets["train"] == ("mp-1", "mp-2")
    assert split.subsets["validation"] == ("mp-3",)
    assert split.algorithm == "listed in theirs.yml"
    assert split.missing == {"train": ("mp-9999",)}
    assert {subset: len(places) for subset, places in split.indices(IDS).items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
        "unused": 996,
    }


def test_what_is_missing_is_kept_in_the_file(tmp_path):
    split = listed_split(IDS, {**LISTS, "test": ["mp-4", "x", "a"]}, source="theirs")
    split.save(tmp_path / "split.json")
    again = Split.load(tmp_path / "split.json")
    assert again == split
    assert again.missing == {"test": ("a", "x")}


def test_a_split_file_is_a_list_too(tmp_path):
    split = random_split(IDS, seed=3)
    split.save(tmp_path / "split.json")
    taken = listed_split(IDS, read_lists([tmp_path / "split.json"]), source="split.json")
    assert taken.hash == split.hash


def test_one_file_for_each_subset(tmp_path):
    """As the toolkit publishes them: train.yml, val.yml, test.yml, each with its subset in it."""
    files = {f"{subset}__yml": f"{subset}:\n- {ids[0]}\n" for subset, ids in LISTS.items()}
    expected = {"train": ["mp-1"], "val": ["mp-3"], "test": ["mp-4"]}
    assert read(tmp_path, **files) == expected
    assert read_lists([tmp_path]) == expected


def test_a_plain_list_has_its_subset_in_its_name(tmp_path):
    text = "mp-1  # the first\n\nmp-2\n"
    assert read(tmp_path, **{"mp-train-ids__txt": text}) == {"train": ["mp-1", "mp-2"]}
    assert read(tmp_path, val__json='["mp-3", 4]') == {"validation": ["mp-3", "4"]}
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"mp-4\n"))
    assert read_lists([tmp_path / "test.txt.gz"]) == {"test": ["mp-4"]}


def test_ids_stay_the_text_that_they_are(tmp_path):
    ids = ["0007", "1e5", "2020-01-01", "yes", "null"]
    text = "train:\n" + "".join(f"- {one}\n" for one in ids)
    assert read(tmp_path, ids__yml=text) == {"train": ids}


def test_a_hundred_thousand_ids_are_read_in_seconds(tmp_path):
    text = "train:\n" + "".join(f"- mp-{k}\n" for k in range(100_000))
    started = time.process_time()
    lists = read(tmp_path, big__yaml=text)
    assert len(lists["train"]) == 100_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": ["mp-1"], "test": ["mp-1"]}, "lists 'mp-1' twice, the second time in 'test'"),
        ({"train": ["mp-1", "mp-1"]}, "twice"),
        ({"train": ["other"]}, "none of the 1 ids.*for example 'other'; its own look like 'mp-0'"),
        ({"training": ["mp-1"], "rest": ["mp-2"]}, "a subset 'rest'"),
    ],
)
def test_lists_that_make_no_split_are_refused(lists, message):
    with pytest.raises(SplitError, match=message):
        listed_split(IDS, lists, source="theirs")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.yml", "- a\n- b\n", "does not say of which subset"),
        ("x.yml", "train: 3\n", "does not hold lists"),
        ("x.json", json.dumps({"train": [["a"]]}), "does not hold lists"),
        ("x.yml", "a: [b\n", "cannot be read as YML"),
        ("x.json", "{", "cannot be read as JSON"),
        ("train-and-test.txt", "a\n", "does not say of which subset"),
        ("absent.txt", None, "No such file"),
        ("train.txt.gz", "no gzip", "cannot be read"),
    ],
)
def test_files_that_hold_no_lists_are_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SplitError, match=message):
        read_lists([tmp_path / name])


def test_a_subset_in_two_files_is_refused(tmp_path):
    with pytest.raises(SplitError, match="as another file does"):
        read(tmp_path, a__yml="train: [mp-1]", b__yml="train: [mp-2]")


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(SplitError, match="holds no files"):
        read_lists([tmp_path])
