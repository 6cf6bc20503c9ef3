"""Folds as published, and a task's file as a dataset."""

from __future__ import annotations

import gzip
import json

import pytest

from matsciml_core import build_registry
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import store_of
from matsciml_tool_matbench.preparing import prepare, published_folds
from matsciml_tool_matbench.tasks import find_task, tasks
from matsciml_util_sources.addresses import PREFIX, host_key
from matsciml_util_sources.fake_server import Answer, FaultServer

pytest.importorskip("matsciml_reader_tables", reason="reads the JSON")


def test_all_tasks_are_listed_with_what_is_needed_of_them():
    names = [task.name for task in tasks()]
    assert len(set(names)) == len(names) == 13
    assert sum(task.input == "structure" for task in tasks()) == 9
    assert {task.name for task in tasks() if task.is_class} == {
        "expt_is_metal", "glass", "mp_is_metal",
    }  # fmt: skip


def test_ids_are_those_of_the_package():
    # Of matbench_v0.1_validation.json in the package matbench 0.6.
    assert find_task("matbench_jdft2d").crystal_id(0) == "mb-jdft2d-001"
    assert find_task("mp-e-form").crystal_id(132751) == "mb-mp-e-form-132752"


def test_folds_are_the_published_ones():
    folds = published_folds(find_task("jdft2d"))
    # The first test ids of the first fold in the same file, and the sizes of the folds.
    assert folds["fold_0"][:6] == [
        f"mb-jdft2d-{number}" for number in ("012", "014", "027", "031", "032", "040")
    ]
    assert [len(ids) for ids in folds.values()] == [128, 127, 127, 127, 127]
    assert len({id for ids in folds.values() for id in ids}) == 636


def test_folds_of_classes_have_equal_shares(small):
    task, _ = small("mp_is_metal")
    classes = [index % 3 == 0 for index in range(task.size)]
    metals = {task.crystal_id(index) for index, metal in enumerate(classes) if metal}
    folds = published_folds(task, classes)
    shares = [len(metals & set(ids)) for ids in folds.values()]
    assert max(shares) - min(shares) <= 1
    with pytest.raises(ConfigError, match="follow from its classes"):
        published_folds(task)


def test_a_file_becomes_a_dataset_in_our_units(small, tmp_path):
    task, file = small("jdft2d")
    made = prepare(task, tmp_path / "folds.json", build_registry(), file=file)
    assert (made.manifest.records, made.manifest.accepted) == (20, 20)
    dataset = StoreDataset(store_of(dataset_folder("matbench-jdft2d")))
    assert dataset.ids[0] == "mb-jdft2d-01"
    table = json.loads(gzip.decompress(file.read_bytes()))
    assert dataset.targets["exfoliation_energy"].unit == "eV/atom"
    assert dataset[3].labels["exfoliation_energy"] == pytest.approx(table["data"][3][1] / 1000)
    folds = json.loads((tmp_path / "folds.json").read_text())
    assert sorted(id for ids in folds.values() for id in ids) == sorted(dataset.ids)


def test_the_file_is_fetched_and_checked(small, tmp_path, monkeypatch):
    task, file = small("mp_is_metal")
    with FaultServer() as server:
        server.handlers[f"/projects/{task.file}"] = lambda asked: Answer(file.read_bytes())
        monkeypatch.setenv(f"{PREFIX}{host_key('ml.materialsproject.org')}", server.url)
        made = prepare(task, tmp_path / "folds.json", build_registry())
    assert made.manifest.accepted == 20
    dataset = StoreDataset(store_of(dataset_folder("matbench-mp-is-metal")))
    assert [dataset[k].labels["is_metal"] for k in range(4)] == [1, 0, 0, 1]


def test_another_file_is_rejected(small, tmp_path):
    task, _ = small("jdft2d")
    other = tmp_path / "other.json.gz"
    other.write_bytes(b"other")
    with pytest.raises(DataError, match="not the file of matbench_jdft2d that was published"):
        prepare(task, tmp_path / "folds.json", build_registry(), file=other)
    assert not (tmp_path / "folds.json").exists()


def test_tasks_of_compositions_are_rejected(tmp_path):
    with pytest.raises(ConfigError, match="matbench_steels are compositions"):
        prepare(find_task("steels"), tmp_path / "folds.json", build_registry())
    with pytest.raises(ConfigError, match=r"no task 'phonon'\. Did you mean 'phonons'"):
        find_task("phonon")
