"""Carolina from its site and from Zenodo: faults, kills, and what is no crystal."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.errors import DataError, FetchError
from matsciml_core.testing import DatasetContract
from matsciml_data_carolina import plugin
from matsciml_data_carolina.config import CarolinaFetchConfig
from matsciml_data_carolina.dataset import Carolina
from matsciml_data_carolina.fetch import fetch
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import Answer, FaultServer
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

(SPEC,) = plugin.matsciml_datasets()
FAKE = load_module(Path(__file__).with_name("fake_source.py"))
SOURCE = FAKE.SOURCES["carolina"]
CIFS, PAGES, ROWS = FAKE.CIFS, FAKE.PAGES, FAKE.ROWS


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    with SOURCE.installed(tmp_path / "data") as running:
        monkeypatch.setenv("MATSCIML_MIRROR_ZENODO_ORG", running.url)
        yield running


@pytest.fixture
def request_(server: FaultServer, tmp_path: Path) -> FetchRequest:
    client = Client(retry=Retry(attempts=4), sleep=lambda seconds: None)
    folder = tmp_path / "carolina"
    folder.mkdir()
    options = CarolinaFetchConfig(from_site=True)
    return FetchRequest(folder=folder, client=client, options=options, limit=ROWS)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with what the fake source serves."""
    folder = tmp_path_factory.mktemp("fetched")
    with SOURCE.installed(folder):
        options = CarolinaFetchConfig(from_site=True)
        (folder / "carolina").mkdir()
        request = FetchRequest(folder=folder / "carolina", options=options, limit=ROWS)
        note_store("carolina", "default", fetch(request))
    return folder


def opened(store: Path, config: FetchedConfig | None = None) -> Carolina:
    note_store("carolina", "default", store)
    return Carolina(config)


def asked_paths(server: FaultServer) -> Counter[str]:
    return Counter(asked.path for asked in server.requests)


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source serves."""

    spec_name = "carolina"
    quick = True

    @pytest.fixture(autouse=True)
    def _data(self, fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MATSCIML_DATA", str(fetched))


def test_the_site_is_read_through_faults(server: FaultServer, request_: FetchRequest) -> None:
    server.faults[f"{CIFS}3.cif"] = ["503", "html", "empty"]
    server.faults[f"{PAGES}5/"] = ["reset", "429:1", "drop:40"]
    manifest = read_manifest(fetch(request_))
    assert manifest is not None
    assert {reason: entry["examples"] for reason, entry in manifest.rejected.items()} == {
        "The site has no such file.": ["carolina-11"],
        "A site is only partly occupied.": ["carolina-13"],
        "The atoms listed are not those of the formula.": ["carolina-17"],
    }
    assert (manifest.records, manifest.accepted) == (ROWS, ROWS - 3)


def test_one_sample_is_right_and_what_is_unknown_is_missing(request_: FetchRequest) -> None:
    dataset, sample = opened(fetch(request_)), SOURCE.sample
    crystal = dataset[dataset.ids.index(sample.id)]
    assert crystal.atomic_numbers.tolist() == sample.atomic_numbers
    np.testing.assert_allclose(crystal.positions, sample.positions, atol=1e-9)
    np.testing.assert_allclose(crystal.cell, sample.cell, atol=1e-9)
    assert crystal.labels == sample.labels
    for number in (FAKE.DASH, FAKE.NO_PAGE):
        unknown = dataset[dataset.ids.index(f"carolina-{number}")]
        assert unknown.labels == {"space_group": 220}
    assert tuple(dataset.targets.values()) == SPEC.targets
    assert dataset.provenance.licence == SPEC.licence


def test_a_second_fetch_makes_no_request(server: FaultServer, request_: FetchRequest) -> None:
    store = fetch(request_)
    before = (store / "index.json").read_bytes()
    server.requests.clear()
    assert fetch(request_) == store
    assert server.requests == []
    assert (store / "index.json").read_bytes() == before


def test_what_came_before_a_kill_is_never_asked_for_again(
    server: FaultServer, request_: FetchRequest, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = fetch(replace(request_, folder=tmp_path / "whole"))
    server.requests.clear()
    for number in (10, 40, 41):
        server.faults[f"{CIFS}{number}.cif"] = ["403"]
        with pytest.raises(FetchError, match="refused"):
            fetch(request_)
    notes = next((request_.folder / "raw").glob("*/unfinished.jsonl"))
    notes.write_text(notes.read_text(encoding="utf-8") + '{"number": 41, "ci', encoding="utf-8")
    store = fetch(request_)
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (store / file).read_bytes() == (whole / file).read_bytes()
    again = {path: count for path, count in asked_paths(server).items() if count > 1}
    assert again == {
        "/robots.txt": 4, f"{CIFS}10.cif": 2, f"{CIFS}40.cif": 2, f"{CIFS}41.cif": 2
    }  # fmt: skip


def test_a_site_that_forbids_programs_is_left_alone(
    server: FaultServer, request_: FetchRequest
) -> None:
    server.handlers["/robots.txt"] = lambda asked: Answer(b"User-agent: *\nDisallow: /entry/\n")
    with pytest.raises(FetchError, match="does not want to be read by programs"):
        fetch(request_)
    assert set(asked_paths(server)) == {"/robots.txt"}


@pytest.mark.parametrize(
    ("answer", "rate"),
    [
        (Answer(status=404), 2.0),
        (Answer(b"User-agent: *\nDisallow:\n"), 2.0),
        (Answer(b"User-agent: *\nCrawl-delay: 4\n"), 0.25),
    ],
)
def test_the_site_is_asked_as_seldom_as_it_wants(
    server: FaultServer,
    request_: FetchRequest,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    rate: float,
) -> None:
    server.handlers["/robots.txt"] = lambda asked: answer
    paces: dict[str, float] = {}
    monkeypatch.setattr(request_.client, "pace", lambda host, rate: paces.update({host: rate}))
    fetch(replace(request_, limit=3))
    assert paces == {"www.carolinamatdb.org": rate}


def test_pages_of_another_form_are_noticed(server: FaultServer, request_: FetchRequest) -> None:
    server.handlers[PAGES] = lambda asked: Answer(b"<html><b>Formation energy:</b> -1</html>")
    with pytest.raises(FetchError, match=r"None of the entries 1 to 25 .* the site has changed"):
        fetch(request_)


@pytest.mark.parametrize("changes", [{"release": "2"}, {"subset": "a"}])
def test_a_release_or_a_subset_of_the_site_is_rejected(
    request_: FetchRequest, changes: dict[str, str]
) -> None:
    with pytest.raises(FetchError, match="leave --"):
        fetch(replace(request_, **changes))


def test_no_composition_is_in_two_subsets_of_the_default_split(
    request_: FetchRequest, tmp_path: Path
) -> None:
    dataset = opened(fetch(request_), FetchedConfig(max_atoms=2))
    assert dataset.split().algorithm == "grouped by composition"
    assert dataset.split("random").algorithm == "random"
    dataset.split().save(tmp_path / "mine.json")
    assert dataset.split(str(tmp_path / "mine.json")).hash == dataset.split().hash
    assert tuple(SPEC.splits) == dataset.split_names


def test_without_data_the_way_to_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    with pytest.raises(DataError, match="matsciml data fetch carolina"):
        Carolina()


CSCL = (1, 2, 4, 5)
"""Crystals of the type of CsCl."""


def toolkit_record(number: int) -> dict:
    """Return a record as the toolkit makes it of a file and a page of the site."""
    edges = {f"_cell_length_{axis}": f"{FAKE.length(number):.8f}" for axis in "abc"}
    angles = dict.fromkeys((f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")), "90.0")
    first, second = FAKE.symbols(number)
    numbers = {"Mg": 12, "K": 19, "Ti": 22, "Fe": 26, "F": 9}
    return {
        **edges,
        **angles,
        "_symmetry_Int_Tables_number": "221",
        "_chemical_formula_sum": f"'{first}1 {second}1'",
        "atomic_numbers": [numbers[first], numbers[second]],
        "cart_coords": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
        "energy": float(FAKE.energy(number)),
        "origin_file": f"{number}.cif",
    }


class TestZenodo:
    """The toolkit's LMDB, in a zip archive."""

    RECORD = "/api/records/8381476/files"

    @pytest.fixture
    def archive(self, server: FaultServer, tmp_path: Path) -> None:
        """Put an archive with an LMDB of four records on the server."""
        file = tmp_path / "data.lmdb"
        environment = lmdb.open(str(file), subdir=False, map_size=1 << 20)
        with environment, environment.begin(write=True) as transaction:
            for number in CSCL:
                transaction.put(str(number).encode(), pickle.dumps(toolkit_record(number)))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("README.md", "Hello.")
            archive.write(file, "../carolina/all/data.lmdb")
        self.offer(server, {"carolina_matdb.zip": buffer.getvalue(), "oqmd.zip": b"x"})

    def offer(self, server: FaultServer, files: dict[str, bytes]) -> None:
        entries = []
        for name, content in files.items():
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            entries.append({"key": name, "size": len(content), "checksum": f"md5:{md5}"})
            server.files[f"{self.RECORD}/{name}/content"] = content
        answer = json.dumps({"entries": entries}).encode()
        server.handlers[self.RECORD] = lambda asked: Answer(answer)

    @pytest.mark.usefixtures("archive")
    def test_it_is_fetched_unpacked_and_mended(
        self, server: FaultServer, request_: FetchRequest
    ) -> None:
        path = f"{self.RECORD}/carolina_matdb.zip/content"
        server.faults[path] = ["drop:300", "503"]
        plain = replace(request_, options=None, limit=None)
        dataset = opened(fetch(plain))
        assert dataset.ids == [f"carolina-{number}" for number in CSCL]
        crystal = dataset[3]
        assert crystal.positions[1].tolist() == pytest.approx([1.775] * 3)
        assert crystal.labels == {"formation_energy_per_atom": -0.55, "space_group": 220}
        assert "8381476" in dataset.provenance.release
        (unpacked,) = (plain.folder / "raw" / "unpacked").glob("*.lmdb")
        assert unpacked.name == "carolina-all-data.lmdb"
        server.requests.clear()
        assert len(opened(fetch(plain))) == 4
        assert server.requests == []
        assert len(opened(fetch(replace(plain, limit=2)))) == 2
        assert server.requests == []

    def test_a_record_without_such_a_file_is_rejected(
        self, server: FaultServer, request_: FetchRequest
    ) -> None:
        self.offer(server, {"oqmd.zip": b"x"})
        with pytest.raises(FetchError, match=r"0 files that could be .* \(oqmd\.zip\)"):
            fetch(replace(request_, options=None))

    def test_an_archive_without_lmdb_is_rejected(
        self, server: FaultServer, request_: FetchRequest
    ) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("carolina/README.md", "Hello.")
        self.offer(server, {"carolina.zip": buffer.getvalue()})
        with pytest.raises(FetchError, match="holds no LMDB file"):
            fetch(replace(request_, options=None))
