"""OQMD is fetched through faults and kills, converted with its faults mended, and opened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.data import Rejection, ingest
from matsciml_core.data.fetch import (
    Addresses,
    Client,
    FetchRequest,
    Retry,
    note_store,
)
from matsciml_core.data.importing import add_dataset
from matsciml_core.data.ingestion import from_iterable, read_manifest
from matsciml_core.errors import DataError, FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.testing import DatasetContract
from matsciml_core.testing.server import Answer, FaultServer
from matsciml_data_oqmd import plugin
from matsciml_data_oqmd.config import OQMDConfig
from matsciml_data_oqmd.dataset import OQMD
from matsciml_data_oqmd.fetch import fetch, read_entry
from matsciml_data_oqmd.toolkit import crystal_of, read_toolkit

(SPEC,) = plugin.matsciml_datasets()
PATH = "/optimade/v1/structures"
ROWS = 25
CELL = [[4.059705, 0.0, 0.0], [0.0, 4.2, 0.0], [1.1, 0.0, 7.195297]]


def row(number: int) -> dict:
    """A structure as OQMD's interface has it; some have what makes trouble."""
    symbols = [["Mn", "Fe", "Na", "Mg", "Ti", "Zn", "K"][number % 7], ["N", "O", "Cl"][number % 3]]
    kinds = [{"name": s, "chemical_symbols": [s], "concentration": [1.0]} for s in symbols]
    if number == 4:
        kinds[0]["concentration"] = [0.5]
    if number == 5:
        kinds[0]["chemical_symbols"] = ["vacancy"]
    shift = 2.0 + 0.01 * number
    return {
        "id": str(5000 + number),
        "type": "structures",
        "attributes": {
            "lattice_vectors": CELL,
            "cartesian_site_positions": [[0.0, 0.0, 0.0], [shift, shift, 3.0]],
            "species_at_sites": symbols,
            "species": kinds,
            "_oqmd_entry_id": 100 + (9 if number == 10 else number),
            "_oqmd_delta_e": 7.5 if number == 6 else -1.0 - 0.1 * number,
            "_oqmd_stability": -0.01 * (number % 2) + 0.02 * ((number + 1) % 2),
            "_oqmd_band_gap": None if number == 7 else 0.5 * (number % 4),
        },
    }


class StandIn:
    """The interface, with the habits of the real one."""

    def __init__(self) -> None:
        self.available = ROWS

    def __call__(self, asked) -> Answer:
        offset, size = int(asked.query["page_offset"]), int(asked.query["page_limit"])
        rows = [row(number) for number in range(offset, min(offset + size, ROWS))]
        following = offset + size
        link = f"http://internal.oqmd/optimade?page_offset={following}"
        answer = {
            "data": rows,
            "links": {"next": {"href": link} if following < ROWS else None},
            # It says so on the last page too.
            "meta": {"data_available": self.available, "more_data_available": True},
        }
        return Answer(json.dumps(answer).encode())


@pytest.fixture
def interface():
    return StandIn()


@pytest.fixture
def server(interface, tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MATSCIML_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setattr("matsciml_data_oqmd.fetch.PAGE", 5)
    with FaultServer() as running:
        running.handlers[PATH] = interface
        monkeypatch.setenv("MATSCIML_MIRROR_OQMD_ORG", running.url)
        yield running


@pytest.fixture
def request_(server, tmp_path):
    client = Client(Addresses.read(), retry=Retry(attempts=4), sleep=lambda seconds: None)
    (tmp_path / "oqmd").mkdir()
    return FetchRequest(folder=tmp_path / "oqmd", client=client)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A data folder with what the stand-in serves."""
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
    """Every check of the kit, on what the stand-in serves."""

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


def test_one_sample_is_right_and_what_is_unknown_is_missing(request_, monkeypatch):
    store = fetch(request_)
    note_store("oqmd", "default", store)
    dataset = OQMD()
    place = dataset.ids.index("oqmd-103")
    crystal = dataset[place]
    assert crystal.positions == pytest.approx(np.array([[0, 0, 0], [2.03, 2.03, 3.0]]))
    assert crystal.cell == pytest.approx(np.array(CELL))
    assert crystal.atomic_numbers.tolist() == [12, 7]
    assert crystal.labels == pytest.approx(
        {
            "formation_energy_per_atom": -1.3,
            "energy_above_hull": -0.01,
            "is_stable": 1,
            "band_gap": 1.5,
        }
    )
    assert "band_gap" not in dataset[dataset.ids.index("oqmd-107")].labels
    assert dataset.provenance.release == "25 structures"
    assert tuple(dataset.targets.values()) == SPEC.targets


def test_a_second_fetch_makes_no_request(server, request_):
    store = fetch(request_)
    before = (store / "index.json").read_bytes()
    server.requests.clear()
    assert fetch(request_) == store
    assert server.requests == []
    assert (store / "index.json").read_bytes() == before


def test_a_limit_is_a_trial(server, request_):
    limited = FetchRequest(folder=request_.folder, client=request_.client, limit=7)
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


def test_a_release_or_a_part_is_refused(request_):
    for changes in ({"release": "1.6"}, {"part": "2M"}):
        with pytest.raises(FetchError, match="newest release only"):
            fetch(FetchRequest(folder=request_.folder, client=request_.client, **changes))


def test_an_answer_of_another_kind_is_refused(server, request_):
    server.handlers[PATH] = lambda asked: Answer(b'{"errors": []}')
    with pytest.raises(FetchError, match="no page of structures"):
        fetch(request_)


def test_without_data_the_way_to_them_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    with pytest.raises(DataError, match="matsciml data fetch oqmd"):
        OQMD()


def test_no_composition_is_in_two_parts_of_the_default_split(request_):
    note_store("oqmd", "default", fetch(request_))
    dataset = OQMD(OQMDConfig(max_atoms=2))
    split = dataset.split()
    assert split.algorithm == "grouped by composition"
    parts = [
        {tuple(dataset[k].atomic_numbers.tolist()) for k in indices}
        for indices in split.indices(dataset.ids).values()
    ]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert dataset.split("random").algorithm == "random"


SCRIPT = """
import sys, time
from pathlib import Path
from matsciml_core.data.fetch import FetchRequest
import matsciml_data_oqmd.fetch as module
module.PAGE = 2
plain = module.read_entry

def slow(entry):
    time.sleep(0.02)
    return plain(entry)

module.read_entry = slow
module.fetch(FetchRequest(folder=Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(server, request_, tmp_path, monkeypatch):
    monkeypatch.setattr("matsciml_data_oqmd.fetch.PAGE", 2)
    whole = fetch(request_)
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


def test_coordinates_that_are_no_fractions_are_refused():
    record = {"entry_id": 1, "cart_coords": [[0, 0, 0], [2.0, 0, 0]], "atomic_numbers": [1, 1]}
    rejected = crystal_of("0", {**record, "cell": CELL, "delta_e": -1.0})
    assert isinstance(rejected, Rejection)
    assert "not the fractions" in rejected.reason


def test_real_toolkit_files_are_mended(tmp_path, monkeypatch):
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / "oqmd.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    manifest = add_dataset("old", read_toolkit(file))
    assert manifest.records == 100
    assert manifest.accepted == 100
    dataset = OQMD(OQMDConfig(path=str(tmp_path / "datasets" / "old" / "store")))
    crystal = dataset[0]
    assert crystal.id == "oqmd-1039868"
    # Mn at (0.75, 0.25, 0.5) of a cell of 4.059705 x 4.059705 x 7.195297 Å.
    assert crystal.positions[0] == pytest.approx([3.04477875, 1.01492625, 3.5976485])
    assert crystal.labels["formation_energy_per_atom"] == -1.59414634085853
    assert 5 < manifest.volume_per_atom[0] < manifest.volume_per_atom[1] < 100
