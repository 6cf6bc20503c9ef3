"""NOMAD is fetched by its cursor, through faults and no faster than it allows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.errors import DataError, FetchError
from matsciml_core.testing import DatasetContract
from matsciml_data_nomad import plugin
from matsciml_data_nomad.config import NOMADFetchConfig
from matsciml_data_nomad.dataset import NOMAD
from matsciml_data_nomad.fetch import fetch
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import Answer, FaultServer
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

(SPEC,) = plugin.matsciml_datasets()
FAKE = load_module(Path(__file__).with_name("fake_source.py"))
SOURCE = FAKE.SOURCES["nomad"]
PATH = FAKE.PATH
ENTRIES = len(FAKE.entries())
PAGE = NOMADFetchConfig(page=20)
SLACK = 1e-8
"""eV/atom: single steps of double precision at 763,000 eV/atom are 1e-10."""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with what the fake source serves."""
    folder = tmp_path_factory.mktemp("fetched")
    with SOURCE.installed(folder):
        (folder / "nomad").mkdir()
        note_store("nomad", "default", fetch(FetchRequest(folder=folder / "nomad", options=PAGE)))
    return folder


@pytest.fixture(autouse=True)
def _data(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``nomad`` finds; a test that fetches has a folder of its own."""
    monkeypatch.setenv("MATSCIML_DATA", str(fetched))


@pytest.fixture
def server(fetched: Path) -> Iterator[FaultServer]:
    with SOURCE.installed(fetched) as running:
        yield running


@pytest.fixture
def request_(server: FaultServer, tmp_path: Path) -> FetchRequest:
    client = Client(retry=Retry(attempts=4), sleep=lambda seconds: None)
    (tmp_path / "nomad").mkdir()
    return FetchRequest(folder=tmp_path / "nomad", client=client, options=PAGE)


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source serves."""

    spec_name = "nomad"
    quick = True


def test_it_is_fetched_through_faults_and_what_is_left_out_is_counted(
    server: FaultServer, request_: FetchRequest
) -> None:
    server.faults[PATH] = ["502", "reset", "ok", "html", "drop:300", "ok", "429:1"]
    manifest = read_manifest(fetch(request_))
    assert manifest is not None
    assert {reason: entry["examples"] for reason, entry in manifest.rejected.items()} == {
        "The energy is more than 10 eV/atom off the reference energies.": ["nomad-e0005"],
        "The structure is not periodic in three directions.": ["nomad-e0074"],
        "The entry has neither an energy nor a band structure.": ["nomad-e0075"],
        "The entry has no archive.": ["nomad-e0076"],
        "A site holds several species, a vacancy, or none known.": ["nomad-e0077"],
    }
    assert (manifest.records, manifest.accepted) == (ENTRIES, ENTRIES - 5)
    cursors = [
        json.loads(asked.body)["pagination"].get("page_after_value") for asked in done(server)
    ]
    assert list(dict.fromkeys(cursors)) == [None, "e0019", "e0039", "e0059"]


def done(server: FaultServer) -> list[Any]:
    return [asked for asked in server.requests if asked.path == PATH]


def test_one_sample_is_right() -> None:
    dataset, sample = NOMAD(), SOURCE.sample
    crystal = dataset[dataset.ids.index(sample.id)]
    assert crystal.atomic_numbers.tolist() == sample.atomic_numbers
    np.testing.assert_allclose(crystal.positions, sample.positions, atol=1e-9)
    np.testing.assert_allclose(crystal.cell, sample.cell, atol=1e-9)
    assert crystal.labels == pytest.approx(sample.labels, abs=SLACK)
    assert dataset.provenance.release.startswith("uploaded before 2023-07-12T13:10:06Z, 78 ")
    assert tuple(dataset.targets.values()) == SPEC.targets


@pytest.mark.parametrize(
    ("name", "gap", "fermi"),
    [("nomad-e0001", 0.5, 2.6), ("nomad-e0002", 1.0, 2.7), ("nomad-e0003", 2.0, 2.5)],
)
def test_band_structures_come_in_many_forms(name: str, gap: float, fermi: float) -> None:
    dataset = NOMAD()
    labels = dataset[dataset.ids.index(name)].labels
    assert labels["band_gap"] == pytest.approx(gap)
    assert labels["fermi_energy"] == pytest.approx(fermi)


def test_newer_parsers_keep_energies_elsewhere() -> None:
    dataset = NOMAD()
    assert "formation_energy_per_atom" in dataset[dataset.ids.index("nomad-e0004")].labels


@pytest.mark.parametrize("name", ["nomad-e0072", "nomad-e0073"])
def test_energies_that_cannot_be_compared_are_missing(name: str) -> None:
    dataset = NOMAD()
    labels = dataset[dataset.ids.index(name)].labels
    assert "formation_energy_per_atom" not in labels
    assert {"band_gap", "relative_energy"} <= labels.keys()


def test_the_fit_is_published_with_what_was_dropped() -> None:
    data = json.loads((NOMAD().store.folder / "references.json").read_text(encoding="utf-8"))
    assert data["dropped"] == {"exciting | GGA_C_PBE+GGA_X_PBE": 1, "unknown functional": 1}
    uranium = data["methods"]["FHI-aims | GGA_C_PBE+GGA_X_PBE"]
    assert uranium["energies"] == {"U": pytest.approx(-763_000.0, abs=SLACK)}
    assert uranium["crystals"] == 24
    other = data["methods"]["VASP | GGA_C_PBE+GGA_X_PBE"]
    assert other["left_out"] == 1
    assert other["rms_error"] < 0.3
    assert other["energies"]["O"] == pytest.approx(-7.0, abs=1.0)


def test_reference_energies_see_no_crystal_that_tests(
    server: FaultServer, request_: FetchRequest
) -> None:
    """Energies of the test set change their own labels, and nothing else."""
    dataset = NOMAD()
    tested = set(dataset.split().subsets["test"])
    interface = server.handlers[PATH]
    for one in interface.entries:  # type: ignore[attr-defined]
        run = one.get("archive", {}).get("run")
        if f"nomad-{one['entry_id']}" in tested and run:
            run[0]["calculation"][-1]["energy"]["total"]["value"] += 2.0 * FAKE.EV
    other = NOMAD(FetchedConfig(path=str(fetch(request_))))
    name = "formation_energy_per_atom"
    changed = {
        one.id
        for one, two in zip(each(dataset), each(other), strict=True)
        if one.labels.get(name) != two.labels.get(name)
    }
    assert changed == tested
    assert len(tested) >= 3


def each(dataset: NOMAD) -> Iterator[Any]:
    return (dataset[place] for place in range(len(dataset)))


def test_a_second_fetch_makes_no_request(server: FaultServer, request_: FetchRequest) -> None:
    store = fetch(request_)
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    server.requests.clear()
    assert fetch(request_) == store
    assert server.requests == []
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_what_was_fetched_before_an_error_is_kept(
    server: FaultServer, request_: FetchRequest, fetched: Path
) -> None:
    server.faults[PATH] = ["ok", "ok", "404"]
    with pytest.raises(FetchError):
        fetch(request_)
    store = fetch(request_)
    assert len(done(server)) == 5
    for file in ("index.json", "00000.lmdb", "manifest.json", "references.json"):
        assert (store / file).read_bytes() == (fetched / "nomad" / "store" / file).read_bytes()


def test_a_harvest_may_go_on_with_smaller_pages(
    server: FaultServer, request_: FetchRequest, fetched: Path
) -> None:
    server.faults[PATH] = ["ok", "404"]
    with pytest.raises(FetchError):
        fetch(request_)
    store = fetch(replace(request_, options=NOMADFetchConfig(page=7)))
    whole = fetched / "nomad" / "store"
    assert (store / "00000.lmdb").read_bytes() == (whole / "00000.lmdb").read_bytes()


def test_the_archive_is_asked_once_in_five_seconds(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: dict[str, float] = {}
    client = Client(Addresses.read())
    monkeypatch.setattr(client, "pace", lambda host, rate: paces.update({host: rate}))
    fetch(FetchRequest(folder=tmp_path, client=client, options=PAGE))
    assert paces == {"nomad-lab.eu": 0.2}


def test_a_server_that_counts_seconds_is_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FAKE.serve(spacing=0.2) as server:
        monkeypatch.setenv("MATSCIML_MIRROR_NOMAD_LAB_EU", server.url)
        client = Client(Addresses.read(), sleep=lambda seconds: time.sleep(min(seconds, 0.25)))
        fetch(FetchRequest(folder=tmp_path, client=client, options=PAGE))
        assert 4 <= len(server.requests) <= 8


def test_a_limit_is_a_trial_beside_the_whole(server: FaultServer, request_: FetchRequest) -> None:
    limited = replace(request_, limit=23)
    manifest = read_manifest(fetch(limited))
    assert manifest is not None
    assert manifest.records == 23
    assert len(done(server)) == 2
    assert read_manifest(fetch(request_)) != manifest


def test_a_release_is_a_date(server: FaultServer, request_: FetchRequest) -> None:
    store = fetch(replace(request_, release="2025-03-01"))
    question = json.loads(done(server)[0].body)
    assert question["query"]["upload_create_time:lt"] == "2025-03-01T00:00:00Z"
    assert "2025-03-01" in NOMAD(FetchedConfig(path=str(store))).provenance.release
    with pytest.raises(FetchError, match="named by the day"):
        fetch(replace(request_, release="latest"))
    with pytest.raises(FetchError, match="as a whole"):
        fetch(replace(request_, subset="a"))


def test_a_database_that_changes_meanwhile_is_noticed(
    server: FaultServer, request_: FetchRequest
) -> None:
    server.faults[PATH] = ["ok", "404"]
    with pytest.raises(FetchError):
        fetch(request_)
    server.handlers[PATH].entries.pop()  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match="changed from '78 entries' to '77 entries'"):
        fetch(request_)


def test_an_answer_of_another_kind_is_rejected(server: FaultServer, request_: FetchRequest) -> None:
    server.handlers[PATH] = lambda asked: Answer(b'{"detail": "moved"}')
    with pytest.raises(FetchError, match="no page of entries"):
        fetch(request_)


def test_no_composition_is_in_two_subsets_of_the_default_split(tmp_path: Path) -> None:
    dataset = NOMAD(FetchedConfig(max_atoms=4))
    assert tuple(SPEC.splits) == dataset.split_names
    split = dataset.split()
    assert split.hash == dataset.split(seed=3).hash
    subsets = [
        {tuple(sorted(dataset[place].atomic_numbers.tolist())) for place in places}
        for places in split.indices(dataset.ids).values()
    ]
    assert all(subsets)
    assert sum(map(len, subsets)) == len(set.union(*subsets))
    assert dataset.split("random", 1).hash != dataset.split("random", 2).hash
    split.save(tmp_path / "mine.json")
    assert dataset.split(str(tmp_path / "mine.json")).hash == split.hash


def test_without_data_the_way_to_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    with pytest.raises(DataError, match="matsciml data fetch nomad"):
        NOMAD()
