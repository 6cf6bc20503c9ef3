"""LiPS is found by its DOI, fetched through faults, and split as others did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.errors import FetchError, UnitError
from matsciml_data_lips import plugin
from matsciml_data_lips.dataset import LiPS
from matsciml_data_lips.fetch import fetch
from matsciml_data_lips.mdsim import mdsim_split
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import verify
from matsciml_util_sources.fake_server import Answer, FaultServer
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

(SPEC,) = plugin.matsciml_datasets()
FAKE = load_module(Path(__file__).with_name("fake_source.py"))
SOURCE = FAKE.SOURCES["lips"]
CONTENT, FRAMES = FAKE.CONTENT, FAKE.FRAMES
SEARCH = "/api/records"
FILES = CONTENT.removesuffix("/lips.xyz/content")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultServer]:
    with SOURCE.installed(tmp_path / "data") as running:
        yield running


@pytest.fixture
def request_(server: FaultServer, tmp_path: Path) -> FetchRequest:
    client = Client(retry=Retry(attempts=4), sleep=lambda seconds: None)
    folder = tmp_path / "lips"
    folder.mkdir()
    return FetchRequest(folder=folder, client=client)


def opened(store: Path) -> LiPS:
    note_store("lips", "default", store)
    return LiPS()


def test_one_frame_is_right_after_faults(server: FaultServer, request_: FetchRequest) -> None:
    server.faults[SEARCH] = ["503", "html"]
    server.faults[FILES] = ["429:1"]
    server.faults[CONTENT] = ["drop:50000", "503", "drop:90000"]
    dataset = opened(fetch(request_))
    assert len(dataset) == FRAMES
    sample = SOURCE.sample
    crystal = dataset[dataset.ids.index(sample.id)]
    assert crystal.atomic_numbers.tolist() == sample.atomic_numbers
    np.testing.assert_allclose(crystal.positions, sample.positions, atol=1e-8)
    np.testing.assert_allclose(crystal.cell, sample.cell, atol=1e-9)
    assert crystal.labels["energy"] == sample.labels["energy"]
    np.testing.assert_allclose(crystal.labels["forces"], sample.labels["forces"], atol=1e-9)
    assert dataset.provenance.licence == "CC-BY-4.0"
    assert dataset.provenance.release.startswith("lips.xyz, md5:")
    ranges = [asked.headers.get("range") for asked in server.requests if asked.path == CONTENT]
    assert ranges[:2] == [None, "bytes=50000-"]


def test_a_second_fetch_makes_no_request(server: FaultServer, request_: FetchRequest) -> None:
    store = fetch(request_)
    before = (store / "index.json").read_bytes()
    server.requests.clear()
    assert fetch(request_) == store
    assert server.requests == []
    assert (store / "index.json").read_bytes() == before
    verify(request_.folder / "raw" / "lips.xyz")


def test_the_doi_leads_there_where_the_search_finds_nothing(
    server: FaultServer, request_: FetchRequest
) -> None:
    nothing = {"hits": {"total": 0, "hits": []}}
    server.handlers[SEARCH] = lambda asked: Answer(json.dumps(nothing).encode())
    assert len(opened(fetch(request_))) == FRAMES
    server.handlers["/10.24435/"] = lambda asked: Answer(b"<html>Moved</html>")
    (request_.folder / "raw" / "record.json").unlink()
    with pytest.raises(FetchError, match="does not lead to a record"):
        fetch(request_)


def test_a_limit_takes_the_first_frames_and_leaves_the_whole_alone(
    server: FaultServer, request_: FetchRequest
) -> None:
    short = FetchRequest(folder=request_.folder, client=request_.client, limit=5)
    few = fetch(short)
    assert len(opened(few)) == 5
    whole = fetch(request_)
    assert whole != few
    assert len(opened(whole)) == FRAMES
    assert sum(asked.path == CONTENT for asked in server.requests) == 1


def test_another_checksum_is_rejected(server: FaultServer, request_: FetchRequest) -> None:
    content = server.files[CONTENT]
    server.files[CONTENT] = content.replace(b"Li", b"Na", 1)
    with pytest.raises(FetchError, match=r"'lips\.xyz' .* has the checksum"):
        fetch(request_)


def test_a_record_without_the_file_is_rejected(server: FaultServer, request_: FetchRequest) -> None:
    listed = {"entries": [{"key": "other.xyz", "size": 3, "checksum": ""}]}
    server.handlers[FILES] = lambda asked: Answer(json.dumps(listed).encode())
    with pytest.raises(FetchError, match=r"no file 'lips\.xyz' but other\.xyz"):
        fetch(request_)


@pytest.mark.parametrize("changes", [{"release": "2022"}, {"subset": "20k"}])
def test_a_release_or_a_subset_is_rejected(request_: FetchRequest, changes: dict[str, str]) -> None:
    with pytest.raises(FetchError, match="one release, as a whole"):
        fetch(FetchRequest(folder=request_.folder, client=request_.client, **changes))


def test_a_frame_without_forces_is_counted(server: FaultServer, request_: FetchRequest) -> None:
    replace(server, b":forces:R:3", b":others:R:3")
    manifest = read_manifest(fetch(request_))
    assert manifest is not None
    assert (manifest.records, manifest.accepted) == (FRAMES, FRAMES - 1)
    ((reason, entry),) = manifest.rejected.items()
    assert "no energy or no forces" in reason
    assert (entry["count"], entry["examples"]) == (1, ["lips-000000"])


def test_energies_in_another_unit_are_an_error(server: FaultServer, request_: FetchRequest) -> None:
    replace(server, b"energy=-357.50000000", b"energy=-13.13783493")
    with pytest.raises(UnitError, match="Label 'energy' of frame 0 is -13"):
        fetch(request_)


def replace(server: FaultServer, old: bytes, new: bytes) -> None:
    """Change the first occurrence of something in the archive's file, checksum included."""
    changed = server.files[CONTENT].replace(old, new, 1)
    assert changed != server.files[CONTENT]
    server.files[CONTENT] = changed
    md5 = hashlib.md5(changed, usedforsecurity=False).hexdigest()
    entry = {"key": "lips.xyz", "size": len(changed), "checksum": f"md5:{md5}"}
    server.handlers[FILES] = lambda asked: Answer(json.dumps({"entries": [entry]}).encode())


def test_the_declared_splits_are_those_of_the_dataset(request_: FetchRequest) -> None:
    dataset = opened(fetch(request_))
    assert tuple(SPEC.splits) == dataset.split_names
    for name in dataset.split_names:
        split = dataset.split(name)
        assert sum(map(len, split.subsets.values())) == FRAMES
        assert all(split.subsets.values())
    assert max(dataset.split().subsets["train"]) < min(dataset.split().subsets["validation"])


@pytest.mark.parametrize("count", [25_000, 25_001])
def test_the_split_of_mdsim_is_repeated_exactly(count: int) -> None:
    ids = [f"lips-{number:06d}" for number in range(count)]
    split = mdsim_split(ids)
    assert [len(subset) for subset in split.subsets.values()] == [19_000, 1_000, count - 20_000]
    found = [
        hashlib.sha256(np.array([int(name[5:]) for name in subset]).astype("<i8").tobytes())
        for subset in split.subsets.values()
    ]
    assert [digest.hexdigest()[:16] for digest in found] == SKLEARN[count]


SKLEARN = {
    25_000: ["db67618ca5afda2d", "cbad7602882257f7", "e328d5fb1c5a4aad"],
    25_001: ["c1423861e8650ed3", "1d0411cb84b147bd", "228ac0cb367bec33"],
}
"""Hashes of the sorted numbers of the frames in each subset, made with scikit-learn 1.9.1."""


def test_a_short_trajectory_is_divided_in_the_same_shares() -> None:
    split = mdsim_split([f"lips-{number:06d}" for number in range(100)])
    assert [len(subset) for subset in split.subsets.values()] == [76, 4, 20]
    assert "its shares of 100 frames" in split.algorithm
