"""IS2RE from pickled graphs: only plain arrays are read, and nothing is run."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from matsciml_core.data import CrystalStore
from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.ingestion.conversion import Rejection, read_manifest
from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.data.readers import add_dataset
from matsciml_core.errors import DataError
from matsciml_core.testing import DatasetContract
from matsciml_data_ocp import is2re
from matsciml_data_ocp.config import OCPFetchConfig
from matsciml_data_ocp.dataset import IS2RE
from matsciml_data_ocp.fetch import fetch_is2re
from matsciml_data_ocp.inventory import is2re as take_inventory
from matsciml_data_ocp.readers import read_is2re_lmdb, read_s2ef_lmdb
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_source import load_module

fake = load_module(Path(__file__).with_name("fake_source.py"))
PATH = f"{fake.FOLDER}/{fake.ARCHIVE}"
SUBSETS = "10k+val_id+val_ood_ads"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    with fake.serve() as running:
        yield running


@pytest.fixture
def request_(server, tmp_path):
    addresses = Addresses(mirrors={"DL_FBAIPUBLICFILES_COM": server.url})
    client = Client(addresses, sleep=lambda seconds: None)
    (tmp_path / "is2re").mkdir()
    options = OCPFetchConfig(sources=str(fake.TABLE))
    return FetchRequest(folder=tmp_path / "is2re", subset=SUBSETS, client=client, options=options)


@pytest.fixture
def store(request_):
    found = fetch_is2re(request_)
    note_store("is2re", SUBSETS, found)
    return found


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source serves."""

    spec_name = "is2re"
    quick = True

    @pytest.fixture(autouse=True)
    def _data(self, store):
        pass


def test_one_sample_is_as_computed_by_hand(store):
    sample = fake.SAMPLE["is2re"]
    dataset = IS2RE()
    crystal = dataset[dataset.ids.index(sample.id)]
    assert crystal.positions.tolist() == sample.positions
    assert crystal.cell.tolist() == sample.cell
    assert crystal.atomic_numbers.tolist() == sample.atomic_numbers
    assert crystal.labels == {"energy_relaxed": -1.25, "energy_initial": 0.5}
    assert crystal.site_properties["fixed"].tolist() == [1, 1, 0, 0, 0]
    assert crystal.site_properties["tags"].tolist() == [0, 0, 1, 1, 2]


def test_the_unpacked_files_are_gone_and_a_second_fetch_makes_no_request(server, request_, store):
    assert [file.name for file in (request_.folder / "raw").glob("*.lmdb*")] == []
    server.requests.clear()
    assert fetch_is2re(request_) == store
    assert server.requests == []


def test_subsets_become_splits(store):
    dataset = IS2RE()
    assert dataset.split_names == ("val_id", "val_ood_ads", "system")
    sizes = {name: len(ids) for name, ids in dataset.split().subsets.items()}
    assert sizes == {"train": 8, "validation": 2, "test": 2, "unused": 3}
    inventory = take_inventory()
    assert inventory is not None
    assert inventory.sizes == dict.fromkeys(("energy_relaxed", "energy_initial"), (8, 2, 2))


def test_an_interruption_costs_nothing(server, request_, store, tmp_path, monkeypatch):
    folder = tmp_path / "again"
    folder.mkdir()
    again = replace(request_, folder=folder, pool=PoolConfig(workers=1))
    monkeypatch.setattr(is2re, "_PIECE", 3)
    plain, seen = is2re.relaxation_of, []

    def failing(name, fields):
        seen.append(name)
        if len(seen) == 10:
            raise KeyboardInterrupt
        return plain(name, fields)

    monkeypatch.setattr(is2re, "relaxation_of", failing)
    with pytest.raises(KeyboardInterrupt):
        fetch_is2re(again)
    found = fetch_is2re(again)
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (found / file).read_bytes() == (store / file).read_bytes()


@pytest.mark.slow
def test_several_processes_make_the_same_store(request_, store, tmp_path):
    folder = tmp_path / "again"
    folder.mkdir()
    found = fetch_is2re(replace(request_, folder=folder, pool=PoolConfig(workers=2)))
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (found / file).read_bytes() == (store / file).read_bytes()


def test_a_limit_is_a_trial(request_):
    manifest = read_manifest(fetch_is2re(replace(request_, limit=5)))
    assert manifest is not None
    assert manifest.records == 5 + 4 + 3


def test_an_archive_without_a_subset(request_, server):
    entry = fake.is2re_archive({"10k/train": fake.SUBSETS["200K"]})
    server.files[PATH] = entry
    table = Path(request_.options.sources).with_name("other.json")
    fake.write_table(table, {**fake.FILES, fake.ARCHIVE: entry})
    options = OCPFetchConfig(sources=str(table))
    with pytest.raises(DataError, match=r"no member 'is2re/all/val_id/data\.lmdb'"):
        fetch_is2re(replace(request_, options=options))


def test_a_disk_that_is_too_full(request_, monkeypatch):
    monkeypatch.setattr(is2re, "_RESERVE", 1 << 60)
    with pytest.raises(DataError, match=r"GB free, but '.*data\.lmdb' unpacks to"):
        fetch_is2re(request_)
    assert not list((request_.folder / "raw").glob("*.lmdb"))


def records(tmp_path: Path, *changes: dict, kind=None) -> Path:
    """Write an LMDB of one system, once for each set of changes."""
    with fake.old_pyg() as data:
        graphs = [fake.graph(fake.by_hand(), data, **change) for change in changes]
        pickles = [pickle.dumps(one if kind is None else kind(one)) for one in graphs]
    return fake.write_lmdb(tmp_path / "data.lmdb", pickles)


def reasons(path: Path, read=is2re.read_relaxations) -> list[str]:
    ((piece, _),) = is2re.pieces("train", path)
    return [item.reason if isinstance(item, Rejection) else "" for item in read(piece)]


class TestRecords:
    def test_a_hostile_record_runs_nothing(self, tmp_path):
        marker = tmp_path / "was-run"

        class Hostile:
            def __reduce__(self):
                return os.system, (f"touch {marker}",)

        pickles = [pickle.dumps(Hostile())]
        path = fake.write_lmdb(tmp_path / "data.lmdb", pickles)
        with pytest.raises(DataError, match=r"Record 0 of 'data\.lmdb' is a pickle that asks for"):
            reasons(path)
        assert not marker.exists()

    def test_what_is_missing_or_impossible(self, tmp_path):
        path = records(
            tmp_path,
            {},
            {"y_relaxed": None},
            {"y_relaxed": -182.0},
            {"y_init": None},
            {"pos": torch.zeros(5, 2)},
            {"tags": torch.zeros(3)},
            {"cell": torch.zeros(2)},
        )
        found = reasons(path)
        assert [found[0], found[3]] == ["", ""]
        assert found[1].startswith("The record has no relaxed energy")
        assert found[2] == "The adsorption energy is beyond 10 eV."
        assert found[4].startswith("Crystal '…' has atomic_numbers")
        assert found[5].startswith("Crystal '…' has a site property")
        assert found[6] == "The record is incomplete."

    def test_newer_graphs_keep_their_content_in_a_store(self, tmp_path):
        """As PyTorch Geometric 2 pickles them."""

        def nested(graph):
            kind, fields = type(graph), dict(graph.__dict__)
            made, store = kind(), kind()
            store.__dict__.update(_mapping=fields)
            made.__dict__.update(_store=store)
            return made

        assert reasons(records(tmp_path, {}, kind=nested)) == [""]

    def test_a_plain_dictionary_will_do(self, tmp_path):
        assert reasons(records(tmp_path, {}, kind=lambda graph: dict(graph.__dict__))) == [""]

    def test_the_length_is_no_record(self, tmp_path):
        assert is2re.count(records(tmp_path, {}, {"sid": 7})) == 2


class TestConvert:
    @pytest.fixture(autouse=True)
    def _data(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))

    def open(self, tmp_path):
        return CrystalStore(tmp_path / "data" / "datasets" / "mine" / "store")

    def test_is2re(self, tmp_path):
        folder = tmp_path / "is2re" / "val_id"
        folder.mkdir(parents=True)
        add_dataset("mine", read_is2re_lmdb(records(folder, {}, {"sid": 7})))
        store = self.open(tmp_path)
        assert store.read([0, 1]).ids == ["val_id/random1000", "val_id/random7"]
        assert store.meta["site_properties"] == ["fixed", "tags"]

    def test_s2ef(self, tmp_path):
        forces = torch.tensor([[9e3, 0, 0], [0, 0, 0], [1, 2, 3], [4, 5, 6], [7, 8, 9]])
        frame = {"y": -1.5, "force": forces, "fid": 3}
        total = {"y": -181.5, "force": forces, "fid": 4}
        broken = {"y": -1.5, "force": 10 * forces, "fid": 5}
        path = records(tmp_path, frame, total, broken, {"y": -1.0})
        manifest = add_dataset("mine", read_s2ef_lmdb(path))
        assert [entry["count"] for entry in manifest.rejected.values()] == [1, 1, 1]
        assert any("OCP writes adsorption energies only where" in one for one in manifest.rejected)
        (crystal,) = self.open(tmp_path).read([0]).crystals()
        assert crystal.id == "train/random1000/frame3"
        assert crystal.labels["energy"] == -1.5
        np.testing.assert_array_equal(crystal.labels["forces"], forces)
        assert crystal.site_properties["fixed"].tolist() == [1, 1, 0, 0, 0]
