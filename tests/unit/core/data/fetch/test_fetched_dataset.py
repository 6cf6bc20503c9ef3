"""A fetched dataset opens its store and serves what its settings ask for."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core import Crystal, DatasetSpec, TargetInfo
from matsciml_core.data import ingest
from matsciml_core.data.fetch import note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.ingestion.conversion import from_iterable
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.interfaces.split import random_split

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


class Mine(FetchedDataset):
    spec = DatasetSpec(
        name="mine",
        summary="Chains.",
        class_path="mine.dataset:Mine",
        splits={"composition": "By composition.", "random": "At random.", "mine": "My own."},
        fetch_advice="an hour",
    )


def chain(atoms, number=14):
    """Return atoms in a row."""
    return Crystal(
        id=f"m{number}-{atoms}",
        atomic_numbers=np.full(atoms, number),
        positions=3.0 * np.arange(atoms)[:, None] * [1.0, 0.0, 0.0],
        cell=np.diag([3.0 * atoms, 3.0, 3.0]),
        labels={"gap": 1.0},
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    elements = range(10, 20)  # each of them a composition, of five polymorphs
    rows = from_iterable(lambda: (chain(atoms, n) for n in elements for atoms in range(2, 7)))
    ingest(rows, tmp_path / "store", targets=[GAP], provenance=Provenance(source="here"))
    return tmp_path / "store"


def test_what_was_fetched_last_is_served(store):
    with pytest.raises(DataError, match=r"matsciml data fetch mine \(an hour\)"):
        Mine()
    note_store("mine", "default", store)
    assert len(Mine()) == 50
    assert len(Mine(FetchedConfig())) == 50


def test_settings_choose_the_store_and_the_crystals(store):
    few = Mine(FetchedConfig(path=str(store), max_atoms=3))
    assert few.ids[:3] == ["m10-2", "m10-3", "m11-2"]
    assert few.config.max_atoms == 3
    with pytest.raises(DataError, match="No crystal"):
        Mine(FetchedConfig(path=str(store), max_atoms=1))


class TestSplits:
    def test_are_those_declared(self, store):
        dataset = Mine(FetchedConfig(path=str(store)))
        assert dataset.split_names == ("composition", "random", "mine")
        with pytest.raises(ConfigError, match="no split 'scaffold'"):
            dataset.split("scaffold")

    def test_by_composition_keeps_polymorphs_together(self, store):
        dataset = Mine(FetchedConfig(path=str(store)))
        subsets = dataset.split().subsets
        compositions = [{name.partition("-")[0] for name in names} for names in subsets.values()]
        assert [len(group) for group in compositions] == [8, 1, 1]
        assert sum(map(len, subsets.values())) == 50
        assert dataset.split("composition", 1).subsets != subsets

    def test_at_random_divides_them(self, store):
        dataset = Mine(FetchedConfig(path=str(store)))
        assert dataset.split("random").subsets == random_split(dataset.ids).subsets
