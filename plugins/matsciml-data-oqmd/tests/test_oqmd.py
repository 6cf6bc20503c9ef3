"""OQMD is fetched through faults and kills, converted with its faults corrected, and opened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from matsciml_core import Crystal
from matsciml_core.data import Rejection, ingest
from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.ingestion.conversion import from_iterable, read_manifest
from matsciml_core.data.readers import add_dataset
from matsciml_core.errors import DataError, FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.testing import DatasetContract
from matsciml_data_oqmd import plugin
from matsciml_data_oqmd.config import OQMDFetchConfig
from matsciml_data_oqmd.dataset import OQMD
from matsciml_data_oqmd.fetch import fetch, read_entry
from matsciml_data_oqmd.toolkit import crystal_of, read_toolkit
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import Answer
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

(SPEC,) = plugin.matsciml_datasets()
FAKE = load_module(Path(__file__).with_name("fake_source.py"))
SMALL_PAGES = OQMDFetchConfig(page=5)
PATH, ROWS, CELL, row = FAKE.PATH, FAKE.ROWS, FAKE.CELL, FAKE.row


@pytest.fixture
def interface():
    return FAKE.Interface()


@pytest.fixture
def server(interface, tmp_path):
    with FAKE.SOURCES["oqmd"].installed(tmp_path / "data") as running:
        running.handlers[PATH] = interface  # whose answers a test may change
        yield running


@pytest.fixture
def request_(server, tmp_path):
    client = Client(Addresses.read(), retry=Retry(attempts=4), sleep=lambda seconds: None)
    (tmp_path / "oqmd").mkdir()
    return FetchRequest(folder=tmp_path / "oqmd", client=client, options=SMALL_PAGES)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A data folder with what the fake source serves."""
    folder = tmp_path_factory.mktemp("fetched")
    rows = from_iterable(lambda: map(read_entry, map(row, range(ROWS))))
    provenance = Provenance(source=SPEC.source, licence=SPEC.licence, references=SPEC.references)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(folder))
        ingest(rows, folder / "store", targets=SPEC.targets, provenance=provenance)
        note_store("oqmd", "default", folder / "store")
    return folder


@pytest.fixture(autouse=True)
def data(fetched, monkeypatch):
    """What ``oqmd`` finds; a test that fetches has a folder of its own."""
    monkeypatch.setenv("MATSCIML_DATA", str(fetched))


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source serves."""

    spec_name = "oqmd"
    quick = True


def test_the_database_is_fetched_through_faults(server, request_):
    server.faults[PATH] = ["502", "reset", "ok", "502", "drop:300", "html", "ok", "429:1"]
    manifest = read_manifest(fetch(request_))
    assert manifest is not None
    counts = {reason: entry["count"] for reason, entry in manifest.rejected.items()}
    assert counts == {
        "A site holds several species, a vacancy, or none known.": 2,
        "The formation energy is beyond 5 eV/atom.": 1,
        "The id was used before.": 1,
    }
    assert (manifest.records, manifest.accepted) == (ROWS, ROWS - 4)


def test_what_is_unknown_is_missing(request_):
    note_store("oqmd", "default", fetch(request_))
    dataset = OQMD()
    assert "band_gap" not in dataset[dataset.ids.index("oqmd-107")].labels
    assert dataset.provenance.release == "25 structures"
    assert tuple(dataset.targets.values()) == SPEC.targets
    assert dataset.split_names == tuple(SPEC.splits)


def test_a_second_fetch_makes_no_request(server, request_):
    store = fetch(request_)
    before = (store / "index.json").read_bytes()
    server.requests.clear()
    assert fetch(request_) == store
    assert server.requests == []
    assert (store / "index.json").read_bytes() == before


def test_a_limit_is_a_trial(server, request_):
    limited = replace(request_, limit=7)
    manifest = read_manifest(fetch(limited))
    assert manifest is not None
    assert manifest.records == 10
    assert len(server.requests) == 2


def test_a_database_that_changes_meanwhile_is_noticed(server, interface, request_):
    server.faults[PATH] = ["ok", "404"]
    with pytest.raises(FetchError):
        fetch(request_)
    interface.available = ROWS + 1
    with pytest.raises(FetchError, match="changed from '25 structures' to '26 structures'"):
        fetch(request_)


def test_a_release_or_a_subset_is_rejected(request_):
    for changes in ({"release": "1.6"}, {"subset": "2M"}):
        with pytest.raises(FetchError, match="newest release only"):
            fetch(replace(request_, **changes))


def test_an_answer_of_another_kind_is_rejected(server, request_):
    server.handlers[PATH] = lambda asked: Answer(b'{"errors": []}')
    with pytest.raises(FetchError, match="no page of structures"):
        fetch(request_)


def test_without_data_the_way_to_them_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    with pytest.raises(DataError, match="matsciml data fetch oqmd"):
        OQMD()


def test_no_composition_is_in_two_subsets_of_the_default_split(request_):
    note_store("oqmd", "default", fetch(request_))
    dataset = OQMD(FetchedConfig(max_atoms=2))
    split = dataset.split()
    assert split.algorithm == "grouped by composition"
    subsets = [
        {tuple(dataset[k].atomic_numbers.tolist()) for k in indices}
        for indices in split.indices(dataset.ids).values()
    ]
    assert sum(map(len, subsets)) == len(set.union(*subsets))
    assert dataset.split("random").algorithm == "random"


SCRIPT = """
import sys, time
from pathlib import Path
from matsciml_core.data.fetch import FetchRequest
import matsciml_data_oqmd.fetch as module
from matsciml_data_oqmd.config import OQMDFetchConfig
plain = module.read_entry

def slow(entry):
    time.sleep(0.02)
    return plain(entry)

module.read_entry = slow
module.fetch(FetchRequest(folder=Path(sys.argv[1]), options=OQMDFetchConfig(page=2)))
"""


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(server, request_, tmp_path):
    whole = fetch(replace(request_, options=OQMDFetchConfig(page=2)))
    server.requests.clear()
    server.faults[PATH] = ["slow:0.1", "503"] * 4
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    moments, kills = random.Random(3), 0
    for _ in range(4):
        asked = len(server.requests)
        process = subprocess.Popen(command, env=dict(os.environ))
        while process.poll() is None and len(server.requests) < asked + 2:
            time.sleep(0.01)
            if (folder / "store").exists():
                break
        time.sleep(moments.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    subprocess.run(command, check=True)
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (folder / "store" / file).read_bytes() == (whole / file).read_bytes()
    offsets = [int(asked.query["page_offset"]) for asked in server.requests]
    assert sorted(set(offsets)) == list(range(0, ROWS, 2))
    assert offsets == sorted(offsets)


@pytest.mark.parametrize("missing", ["lattice_vectors", "cartesian_site_positions"])
def test_an_incomplete_structure_is_rejected(missing):
    entry = row(1)
    del entry["attributes"][missing]
    assert read_entry(entry) == Rejection("oqmd-101", "The structure is incomplete.")


def test_a_structure_without_a_list_of_species_is_read():
    entry = row(1)
    del entry["attributes"]["species"]
    crystal = read_entry(entry)
    assert isinstance(crystal, Crystal)
    assert crystal.atomic_numbers.tolist() == [26, 8]


def test_coordinates_that_are_no_fractions_are_rejected():
    record = {"entry_id": 1, "cart_coords": [[0, 0, 0], [2.0, 0, 0]], "atomic_numbers": [1, 1]}
    rejected = crystal_of("0", {**record, "cell": CELL, "delta_e": -1.0})
    assert isinstance(rejected, Rejection)
    assert "not the fractions" in rejected.reason


def test_real_toolkit_files_are_corrected(tmp_path, monkeypatch):
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / "oqmd.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    manifest = add_dataset("old", read_toolkit(file))
    assert manifest.records == 100
    assert manifest.accepted == 100
    dataset = OQMD(FetchedConfig(path=str(tmp_path / "datasets" / "old" / "store")))
    crystal = dataset[0]
    assert crystal.id == "oqmd-1039868"
    # Mn at (0.75, 0.25, 0.5) of a cell of 4.059705 x 4.059705 x 7.195297 Å.
    assert crystal.positions[0] == pytest.approx([3.04477875, 1.01492625, 3.5976485])
    assert crystal.labels["formation_energy_per_atom"] == -1.59414634085853
    assert 5 < manifest.volume_per_atom[0] < manifest.volume_per_atom[1] < 100
