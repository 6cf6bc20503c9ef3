"""A release comes from the bucket whole and once, whatever happens on the way."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.errors import DataError, FetchError
from matsciml_data_mp.config import MPFetchConfig
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.fetch import fetch
from matsciml_data_mp.objects import count_records, read_objects
from matsciml_util_sources.fake_source import load_module

FAKE = load_module(Path(__file__).with_name("fake_source.py"))
SUMMARY = f"/collections/{FAKE.RELEASE}/summary"
OBJECT = f"{SUMMARY}/nelements=2/symmetry_number=62.jsonl.gz"
KEY = OBJECT.removeprefix("/")


def counts(store: Path) -> dict[str, int]:
    manifest = read_manifest(store)
    assert manifest is not None
    return {reason: entry["count"] for reason, entry in manifest.rejected.items()}


def listed(pieces) -> list:
    return [numbered for piece in pieces for numbered in piece.records()]


def asked_for(server) -> list[str]:
    """What was asked for, listings by what they list."""
    return [
        f"list {one.query['prefix']}" if one.path == "/" else one.path for one in server.requests
    ]


def test_every_record_is_a_crystal_or_counted(ask):
    store = fetch(ask())
    manifest = read_manifest(store)
    assert manifest is not None
    assert counts(store) == FAKE.REJECTED
    assert manifest.accepted == FAKE.ACCEPTED
    assert manifest.records == len(FAKE.records())
    withdrawn = manifest.rejected["The Materials Project has withdrawn it (deprecated)."]
    assert withdrawn["examples"] == ["mp-1"]


def test_one_crystal_is_what_was_computed_by_hand(ask):
    (batch,) = CrystalStore(fetch(ask())).scan()
    crystal = batch.crystals()[batch.ids.index(FAKE.SAMPLE.id)]
    assert crystal.atomic_numbers.tolist() == list(FAKE.SAMPLE.atomic_numbers)
    assert crystal.positions == pytest.approx(np.array(FAKE.SAMPLE.positions))
    assert crystal.cell == pytest.approx(np.array(FAKE.SAMPLE.cell))
    assert crystal.labels == pytest.approx(FAKE.SAMPLE.labels)


def test_what_is_unknown_is_missing_and_what_is_metal_has_no_gap(ask):
    (batch,) = CrystalStore(fetch(ask())).scan()
    labels = {crystal.id: crystal.labels for crystal in batch.crystals()}
    assert not {"band_gap", "fermi_energy", "space_group"} & labels["mvc-10"].keys()
    assert not {"is_stable", "is_magnetic"} & labels["mp-11"].keys()
    assert labels["mp-1003"]["band_gap"] == 0.0
    assert labels["mp-1003"]["is_metal"] == 1


def test_the_store_says_where_it_comes_from(ask):
    store = CrystalStore(fetch(ask()))
    assert "materialsproject.org" in store.provenance.source
    assert store.provenance.release == FAKE.RELEASE
    assert store.provenance.licence == "CC-BY-4.0"
    assert store.provenance.references == declare("release").references
    assert tuple(store.targets.values()) == declare("release").targets


def test_the_layout_is_found_by_listing(ask, server):
    fetch(ask())
    asked = asked_for(server)
    assert asked[0] == "list collections/"
    objects = {one for one in asked if not one.startswith("list")}
    assert OBJECT in objects
    assert all(one.startswith(SUMMARY) and "manifest" not in one for one in objects)
    # Five objects per answer: the listing of the release takes several.
    assert asked.count(f"list {SUMMARY[1:]}/") == 3
    assert len(objects) == len(asked) - 4


def test_objects_with_one_record_each_are_read(ask, materials):
    """So the bucket kept its releases at first."""
    prefix = f"collections/{FAKE.RELEASE}/summary/"
    for key in [key for key in materials.objects if key.startswith(prefix)]:
        del materials.objects[key]
    for one in FAKE.records():
        body = gzip.compress(json.dumps(one, indent=1).encode(), mtime=0)
        materials.objects[f"{prefix}{one['material_id']}.json.gz"] = body
    manifest = read_manifest(fetch(ask()))
    assert manifest is not None
    assert manifest.records == len(FAKE.records()) - 1  # of two with one id, one object
    assert manifest.accepted == FAKE.ACCEPTED


class TestTables:
    @pytest.fixture(autouse=True)
    def table(self, materials):
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        materials.objects.update(FAKE.table_objects(FAKE.TABLE_RELEASE))

    def test_a_release_in_parquet_has_the_same_crystals(self, ask):
        (expected,) = CrystalStore(fetch(ask())).scan()
        store = fetch(ask(FAKE.TABLE_RELEASE))
        (found,) = CrystalStore(store).scan()
        known = {crystal.id: crystal for crystal in expected.crystals()}
        assert sorted(found.ids) == sorted(known)
        for crystal in found.crystals():
            assert crystal.positions == pytest.approx(known[crystal.id].positions)
            assert crystal.pbc.all()
            if crystal.id != "mp-1001":  # of two with this id, here the other comes first
                assert crystal.labels == pytest.approx(known[crystal.id].labels)
        unreadable = "A field holds something else than it should."
        assert counts(store) == {r: n for r, n in FAKE.REJECTED.items() if r != unreadable}

    def test_reading_may_begin_anywhere(self, materials, tmp_path):
        path = tmp_path / "table.parquet"
        path.write_bytes(next(iter(FAKE.table_objects("x").values())))
        everything = listed(read_objects([path, path]))
        assert count_records(path) * 2 == len(everything)
        for start in (0, 1, 15, 16, 40, len(everything) // 2, len(everything) - 1):
            assert listed(read_objects([path, path], start)) == everything[start:]

    def test_a_structure_may_be_text(self, ask, materials):
        import io

        import pyarrow
        import pyarrow.parquet

        (key,) = (key for key in materials.objects if key.endswith(".parquet"))
        rows = pyarrow.parquet.read_table(io.BytesIO(materials.objects[key])).to_pylist()
        rows = [{**row, "structure": json.dumps(row["structure"])} for row in rows[:9]]
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
        materials.objects[key] = buffer.getvalue()
        (batch,) = CrystalStore(fetch(ask(FAKE.TABLE_RELEASE))).scan()
        assert batch.positions[1].tolist() == [2.82, 2.82, 2.82]
        assert len(batch.ids) == 9

    def test_without_pyarrow_nothing_is_downloaded(self, ask, server, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(Exception, match=r"pip install 'matsciml-data-mp\[parquet\]'"):
            fetch(ask(FAKE.TABLE_RELEASE))
        assert not any(one.endswith(".parquet") for one in asked_for(server))


class TestOptions:
    def test_gnome_is_taken_along_on_request_and_the_licence_says_so(self, ask):
        store = fetch(ask(options=MPFetchConfig(include_gnome=True)))
        assert {"mp-2", "mp-3"} <= set(next(CrystalStore(store).scan()).ids)
        assert "NC" in CrystalStore(store).provenance.licence
        assert not any("GNoME" in reason for reason in counts(store))

    def test_withdrawn_and_small_ones_are_taken_along_on_request(self, ask):
        options = MPFetchConfig(include_deprecated=True, min_sites=1)
        ids = set(next(CrystalStore(fetch(ask(options=options))).scan()).ids)
        assert {"mp-1", "mp-4"} <= ids

    def test_larger_crystals_only(self, ask):
        with pytest.raises(DataError, match="None of the"):
            fetch(ask(options=MPFetchConfig(min_sites=3)))

    def test_a_finished_store_is_not_mixed_with_other_options(self, ask):
        fetch(ask())
        with pytest.raises(DataError, match="made with other settings"):
            fetch(ask(options=MPFetchConfig(include_gnome=True)))

    def test_a_folder_holds_one_release(self, ask, server):
        request = ask()
        server.faults[OBJECT] = ["404"]
        with pytest.raises(FetchError):
            fetch(request)
        with pytest.raises(FetchError, match=r"holds the release '2022-10-28'.*--to"):
            fetch(replace(request, release="2023-11-01"))
        fetch(request)
        with pytest.raises(DataError, match="made with other settings"):
            fetch(replace(request, release="2023-11-01"))

    def test_the_number_of_threads_makes_no_other_store(self, ask, server):
        store = fetch(ask(options=MPFetchConfig(threads=1)))
        assert fetch(ask(options=MPFetchConfig(threads=16))) == store

    def test_subsets_and_unknown_releases_are_rejected(self, ask):
        with pytest.raises(FetchError, match="comes as a whole"):
            fetch(ask(subset="2M"))
        with pytest.raises(FetchError, match=r"no release '2022-10-27'.*mean '2022-10-28'.*2023"):
            fetch(ask("2022-10-27"))

    def test_a_release_without_readable_records_is_rejected(self, ask, materials):
        materials.objects["collections/2021-01-01/summary/README.txt"] = b"moved"
        with pytest.raises(FetchError, match="no summary that can be read"):
            fetch(ask("2021-01-01"))

    def test_a_release_may_be_written_as_the_interface_writes_it(self, ask):
        store = fetch(ask("v2022.10.28"))
        assert CrystalStore(store).provenance.release == "2022-10-28"


class TestTrials:
    def test_a_trial_takes_the_first_records_and_is_not_in_the_way(self, ask, server):
        trial = fetch(ask(limit=9))
        manifest = read_manifest(trial)
        assert manifest is not None
        assert manifest.records == 9
        assert CrystalStore(trial).provenance.release == f"{FAKE.RELEASE}, first 9 records"
        server.requests.clear()
        assert fetch(ask(limit=9)) == trial
        assert server.requests == []
        whole = fetch(ask())
        assert whole != trial
        assert counts(whole) == FAKE.REJECTED

    def test_a_trial_fetches_no_more_objects_than_it_needs(self, ask, server):
        fetch(ask(limit=2, options=MPFetchConfig(threads=1, min_sites=1)))
        objects = [one for one in asked_for(server) if not one.startswith("list")]
        assert len(objects) == 2

    def test_a_trial_with_other_options_is_another_one(self, ask):
        fetch(ask(limit=9))
        with pytest.raises(DataError, match="made with other settings"):
            fetch(ask(limit=9, options=MPFetchConfig(min_sites=1)))


class TestFaults:
    @pytest.mark.parametrize(
        "faults",
        [
            ["503", "502", "reset"],
            ["drop:50", "drop:120"],
            ["429:1", "slow:0.1"],
            ["empty", "502"],
            ["drop:100", "norange"],
        ],
        ids=" ".join,
    )
    def test_the_release_arrives_through_them(self, ask, server, faults):
        server.faults = {OBJECT: list(faults), "/": ["503", "reset", "429:2"]}
        assert counts(fetch(ask())) == FAKE.REJECTED
        assert not any(server.faults.values())

    @pytest.mark.parametrize("fault", ["html", "waf", "404", "403", "short:3", "long:5"])
    def test_what_is_no_data_ends_it_in_one_sentence(self, ask, server, fault):
        server.faults[OBJECT] = [fault]
        with pytest.raises(FetchError) as raised:
            fetch(ask())
        assert str(raised.value).count("\n") == 0
        assert counts(fetch(ask())) == FAKE.REJECTED

    def test_a_web_page_instead_of_a_listing(self, ask, server):
        server.faults["/"] = ["html"]
        with pytest.raises(FetchError, match="did not answer with a listing"):
            fetch(ask())

    def test_what_was_fetched_is_not_fetched_again(self, ask, server):
        server.faults[OBJECT] = ["404"]
        with pytest.raises(FetchError):
            fetch(ask(options=MPFetchConfig(threads=1)))
        fetch(ask(options=MPFetchConfig(threads=1)))
        objects = [one for one in asked_for(server) if not one.startswith("list")]
        assert sorted(objects) == sorted([*set(objects), OBJECT])

    def test_an_object_that_was_replaced_is_fetched_again(self, ask, server, materials):
        """Its size and ETag are compared with the new listing."""
        first, last = f"{SUMMARY}/nelements=1/symmetry_number=1.jsonl.gz", OBJECT
        server.faults[last] = ["404"]
        with pytest.raises(FetchError):
            fetch(ask(options=MPFetchConfig(threads=1)))
        changed = FAKE.record(0, material_id="mp-4", nsites=2)
        materials.objects[first.removeprefix("/")] = FAKE.pack([changed])
        store = fetch(ask())
        assert asked_for(server).count(first) == 2
        assert "mp-4" in next(CrystalStore(store).scan()).ids

    def test_an_object_that_changes_after_the_listing_is_noticed(self, ask, server, materials):
        inner = server.handlers["/"]

        def changing(asked):
            if asked.path == OBJECT:
                materials.objects[KEY] = FAKE.pack([FAKE.record(1)])
            return inner(asked)

        server.handlers["/"] = changing
        with pytest.raises(FetchError, match="the source has changed"):
            fetch(ask())

    def test_a_flipped_byte_of_an_object_is_noticed(self, ask, tmp_path):
        """Between the download and the reading, here by an interrupted first attempt."""
        path = tmp_path / "x.jsonl.gz"
        content = bytearray(FAKE.pack([FAKE.record(1), FAKE.record(2)]))
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(FetchError, match="is damaged"):
            listed(read_objects([path]))

    def test_a_flipped_byte_of_the_store_is_noticed(self, ask):
        store = fetch(ask())
        shard = store / "00000.lmdb"
        wanted = np.array(FAKE.SAMPLE.cell[1]).astype("<f8").tobytes()
        # LMDB leaves copies of what it moved, so the first place may be one that is not read.
        content = shard.read_bytes().replace(wanted, bytes([wanted[0] ^ 1]) + wanted[1:])
        changed = shard.with_suffix(".changed")
        changed.write_bytes(content)
        changed.replace(shard)
        with pytest.raises(DataError, match="is damaged"):
            CrystalStore(store).verify()

    def test_a_line_that_is_no_json_is_counted(self, ask, materials):
        key = f"collections/{FAKE.RELEASE}/summary/nelements=9.jsonl.gz"
        materials.objects[key] = gzip.compress(b'{"cut off\n\n[1]\n', mtime=0)
        assert counts(fetch(ask())) == {**FAKE.REJECTED, "It is no JSON object.": 2}


def test_a_second_fetch_makes_no_request(ask, server):
    store = fetch(ask())
    before = (store / "index.json").read_bytes()
    server.requests.clear()
    assert fetch(ask()) == store
    assert server.requests == []
    assert (store / "index.json").read_bytes() == before


def test_a_store_needs_its_objects_no_longer(ask, server):
    request = ask()
    store = fetch(request)
    for path in sorted((request.folder / "raw").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    server.requests.clear()
    assert fetch(request) == store
    assert server.requests == []


def test_reading_may_begin_anywhere(tmp_path):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.jsonl.gz")
        paths[-1].write_bytes(FAKE.pack([FAKE.record(3 * number + k) for k in range(number)]))
    everything = listed(read_objects(paths))
    assert [where for where, _ in everything][-1].endswith("/2.jsonl.gz:2")
    for start in range(len(everything) + 1):
        assert listed(read_objects(paths, start)) == everything[start:]


SCRIPT = """
import sys, time
from pathlib import Path
from matsciml_core.data.fetch import FetchRequest
import matsciml_core.data.ingestion._preparing as preparing
import matsciml_core.data.store.resumable as resumable
import matsciml_data_mp.objects as module
from matsciml_data_mp.fetch import fetch

preparing.CHUNK, resumable.TRANSACTION, module.PIECE = 4, 5, 10
plain = module.read_record

def slow(*arguments):
    time.sleep(0.02)
    return plain(*arguments)

module.read_record = slow
fetch(FetchRequest(folder=Path(sys.argv[1]), release=sys.argv[2]))
"""


@pytest.mark.slow
def test_several_processes_make_the_same_store(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("matsciml_data_mp.objects.PIECE", 10)
    alone = fetch(ask())
    (tmp_path / "together").mkdir()
    request = replace(ask(), folder=tmp_path / "together", pool=PoolConfig(workers=2))
    together = fetch(request)
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (together / file).read_bytes() == (alone / file).read_bytes()


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(server, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT, str(whole), FAKE.RELEASE]
    whole.mkdir()
    folder.mkdir()
    subprocess.run(command, check=True)
    command[3] = str(folder)
    moments, kills = random.Random(5), 0
    server.requests.clear()
    server.faults[OBJECT] = ["slow:0.2", "drop:90", "slow:0.2", "503"]
    for _ in range(5):
        asked = len(server.requests)
        process = subprocess.Popen(command, env=dict(os.environ))
        while process.poll() is None and len(server.requests) < asked + 3:
            if (folder / "store" / "shard.part").exists():
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 3
    subprocess.run(command, check=True)
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (folder / "store" / file).read_bytes() == (whole / "store" / file).read_bytes()
