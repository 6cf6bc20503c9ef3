"""LMDB files of the toolkit as something to ingest."""

from __future__ import annotations

import pickle

import lmdb
import numpy as np
import pytest

from matsciml_core import Crystal, DatasetSpec, TargetInfo
from matsciml_core.data import Rejection
from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb.conversion import (
    padded_key,
    record_source,
    reject_unusable,
    toolkit_conversion,
)

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
SPEC = DatasetSpec(
    name="mine",
    summary="Chains.",
    class_path="mine.dataset:Mine",
    source="here",
    licence="CC0-1.0",
    targets=(GAP,),
)


@reject_unusable
def read_chain(key, record):
    atoms = record["atoms"]
    return Crystal(
        id=key,
        atomic_numbers=np.full(atoms, 14),
        positions=3.0 * np.arange(atoms)[:, None] * [1.0, 0.0, 0.0],
        cell=np.diag([3.0 * atoms, 3.0, 3.0]),
        labels={"gap": 1.0},
    )


def write_lmdb(path, records):
    environment = lmdb.open(str(path), subdir=False, map_size=1 << 20)
    with environment, environment.begin(write=True) as transaction:
        for index, record in enumerate(records):
            transaction.put(str(index).encode(), pickle.dumps(record))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two files, of which the first has a record without crystal."""
    folder = tmp_path / "old"
    folder.mkdir()
    write_lmdb(folder / "a.lmdb", [{"atoms": 1}, None, {"atoms": 2}])
    write_lmdb(folder / "b.lmdb", [{"atoms": 3}])
    return folder


def test_records_are_read_from_an_index_on(folder):
    items = list(record_source(folder, read_chain)(1))
    assert [item.id for item in items] == ["a/1", "a/2", "b/0"]
    assert [isinstance(item, Rejection) for item in items] == [True, False, False]


def test_a_conversion_has_what_the_dataset_declares(folder):
    source = record_source(folder, read_chain)
    conversion = toolkit_conversion(folder, source, SPEC, title="My chains", release="rounded")
    assert conversion.total == 4
    assert tuple(conversion.targets) == (GAP,)
    assert conversion.provenance.source == "here"
    assert conversion.provenance.licence == "CC0-1.0"
    assert conversion.provenance.release == "toolkit LMDB 'old', rounded"
    assert conversion.summary == "My chains from the toolkit's 'old'."


def test_labels_may_be_fewer_than_declared(folder):
    source = record_source(folder, read_chain)
    conversion = toolkit_conversion(folder, source, SPEC, title="My chains", targets=[])
    assert list(conversion.targets) == []
    assert conversion.provenance.release == "toolkit LMDB 'old'"


def test_a_folder_without_lmdb_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no LMDB"):
        record_source(tmp_path, read_chain)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "The record is incomplete."),
        ({}, "The record is incomplete."),
        ({"atoms": "two"}, "The record is incomplete."),
        ({"atoms": 0}, "atom"),
    ],
)
def test_what_cannot_be_read_is_rejected_under_its_key(record, reason):
    rejection = read_chain("7", record)
    assert isinstance(rejection, Rejection)
    assert rejection.id == "7"
    assert reason in rejection.reason


def test_padded_keys_sort_as_they_are_stored():
    keys = ["train/2", "train/10", "train/1"]
    assert sorted(map(padded_key, keys)) == ["train/000001", "train/000002", "train/000010"]
