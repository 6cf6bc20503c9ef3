"""A fetched dataset opens its store and serves what its settings ask for."""

from __future__ import annotations

import pickle

import lmdb
import numpy as np
import pytest

from matsciml_core import Crystal, TargetInfo
from matsciml_core.data import Rejection, ingest
from matsciml_core.data.fetch import note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.ingestion.conversion import from_iterable
from matsciml_core.errors import DataError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_util_toolkit_lmdb.conversion import legacy_conversion, read_each

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


class Mine(FetchedDataset):
    name = "mine"
    advice = "an hour"


def crystal(key, record):
    if record is None:
        return Rejection(key, "There is nothing.")
    atoms = record["atoms"]
    positions = 3.0 * np.arange(atoms)[:, None] * [1.0, 0.0, 0.0]
    cell = np.diag([3.0 * atoms, 3.0, 3.0])
    numbers = np.full(atoms, 14)
    return Crystal(
        id=key, atomic_numbers=numbers, positions=positions, cell=cell, labels={"gap": 1.0}
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    rows = from_iterable(lambda: (crystal(f"m{n}", {"atoms": n}) for n in range(2, 7)))
    ingest(rows, tmp_path / "store", targets=[GAP], provenance=Provenance(source="here"))
    return tmp_path / "store"


def test_what_was_fetched_last_is_served(store):
    with pytest.raises(DataError, match=r"matsciml data fetch mine \(an hour\)"):
        Mine()
    note_store("mine", "default", store)
    assert len(Mine()) == 5
    assert len(Mine(FetchedConfig())) == 5


def test_settings_choose_the_store_and_the_crystals(store):
    few = Mine(FetchedConfig(path=str(store), max_atoms=3))
    assert few.ids == ["m2", "m3"]
    assert few.config.max_atoms == 3
    with pytest.raises(DataError, match="No crystal"):
        Mine(FetchedConfig(path=str(store), max_atoms=1))


def write_lmdb(path, records):
    environment = lmdb.open(str(path), subdir=False, map_size=1 << 20)
    with environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(str(number).encode(), pickle.dumps(record))


def test_lmdb_files_of_others_become_a_conversion(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    write_lmdb(folder / "a.lmdb", [{"atoms": 1}, None, {"atoms": 2}])
    write_lmdb(folder / "b.lmdb", [{"atoms": 3}])
    conversion = legacy_conversion(
        folder,
        read_each(folder, crystal),
        title="My crystals",
        targets=[GAP],
        provenance=Provenance(source="here", release="rounded"),
    )
    found = list(conversion.source(1))
    assert [one.id for one in found] == ["a/1", "a/2", "b/0"]
    assert isinstance(found[0], Rejection)
    assert conversion.total == 4
    assert conversion.provenance.release == "toolkit LMDB 'old', rounded"
    assert conversion.summary == "My crystals from the toolkit's 'old'."
    with pytest.raises(DataError, match="no LMDB"):
        read_each(tmp_path, crystal)
