"""The present database comes over the interface, page by page, and the key stays secret."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.errors import FetchError
from matsciml_data_mp import interface
from matsciml_data_mp.config import MPFetchConfig
from matsciml_data_mp.fetch import fetch
from matsciml_util_sources.fake_server import Answer
from matsciml_util_sources.fake_source import load_module

FAKE = load_module(Path(__file__).with_name("fake_source.py"))
PAGE = "/materials/summary/"
GNOME = "It comes from GNoME under BY-NC; --set include_gnome=true takes it along."


@pytest.fixture(autouse=True)
def key(server, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", FAKE.KEY)
    monkeypatch.setattr(interface, "PAGE", 20)


def counts(store: Path) -> dict[str, int]:
    manifest = read_manifest(store)
    assert manifest is not None
    return {reason: entry["count"] for reason, entry in manifest.rejected.items()}


def pages(server) -> list[tuple[str, int]]:
    """Which pages were asked for."""
    return [
        (one.query["deprecated"], int(one.query["_skip"]))
        for one in server.requests
        if one.path == PAGE
    ]


def test_all_pages_are_fetched_and_counted(ask, server):
    store = fetch(ask("api"))
    withdrawn = "The Materials Project has withdrawn it (deprecated)."
    assert counts(store) == {r: n for r, n in FAKE.REJECTED.items() if r != withdrawn}
    assert CrystalStore(store).provenance.release == FAKE.VERSION
    assert pages(server) == [("false", 20 * k) for k in range(4)]
    assert server.requests[0].path == "/heartbeat"


def test_the_crystals_are_those_of_the_bucket(ask):
    (page,) = CrystalStore(fetch(ask("api"))).scan()
    (bucket,) = CrystalStore(fetch(ask())).scan()
    assert sorted(page.ids) == sorted(bucket.ids)
    place, other = (one.ids.index(FAKE.SAMPLE.id) for one in (page, bucket))
    found, expected = page.crystals()[place], bucket.crystals()[other]
    assert (found.positions == expected.positions).all()
    assert found.labels == expected.labels


def test_withdrawn_ones_need_pages_of_their_own(ask, server):
    store = fetch(ask("api", options=MPFetchConfig(include_deprecated=True)))
    assert pages(server)[-1] == ("true", 0)
    assert "mp-1" in next(CrystalStore(store).scan()).ids


def test_batches_that_the_interface_names_are_left_out_too(ask, materials, server, monkeypatch):
    plain = FAKE.records()
    plain[5]["builder_meta"] = {"batch_id": "more_nc"}
    monkeypatch.setattr(FAKE, "records", lambda: plain)
    store = fetch(ask("api"))
    assert counts(store)[GNOME] == FAKE.REJECTED[GNOME] + 1


@pytest.mark.parametrize(
    "faults",
    [["429:1", "503"], ["drop:400", "reset"], ["ok", "502", "ok", "empty", "429:3"]],
    ids=" ".join,
)
def test_pages_arrive_through_faults(ask, server, faults):
    server.faults = {PAGE: faults, "/heartbeat": ["503"]}
    store = fetch(ask("api"))
    assert read_manifest(store).accepted == FAKE.ACCEPTED
    assert not any(server.faults.values())


def test_a_second_fetch_makes_no_request_and_needs_no_key(ask, server, monkeypatch):
    store = fetch(ask("api"))
    server.requests.clear()
    monkeypatch.delenv("MP_API_KEY")
    assert fetch(ask("api")) == store
    shutil.rmtree(ask("api").folder / "raw")
    assert fetch(ask("api")) == store
    assert server.requests == []


def test_it_goes_on_behind_the_last_page(ask, server):
    server.faults[PAGE] = ["ok", "ok", "404"]
    with pytest.raises(FetchError):
        fetch(ask("api"))
    server.requests.clear()
    fetch(ask("api"))
    assert pages(server) == [("false", 40), ("false", 60)]


def test_a_database_that_changes_meanwhile_is_noticed(ask, server, materials):
    server.faults[PAGE] = ["ok", "404"]
    with pytest.raises(FetchError):
        fetch(ask("api"))
    materials.version = "2026.09.28"
    with pytest.raises(FetchError, match=r"changed from '2026\.04\.13' to '2026\.09\.28'"):
        fetch(ask("api"))


def test_a_trial_asks_for_few_records(ask, server):
    store = fetch(ask("api", limit=7))
    assert read_manifest(store).records == 7
    assert [one.query["_limit"] for one in server.requests if one.path == PAGE] == ["7"]
    fetch(ask("api"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("401", "did not accept the key in MP_API_KEY"),
        ("403", "refuses the key in MP_API_KEY"),
        ("414", "finds the query too long"),
        ("422", "status 422"),
    ],
)
@pytest.mark.parametrize("path", ["/heartbeat", PAGE])
def test_refusals_are_one_sentence_that_helps(ask, server, path, fault, words):
    server.faults[path] = [fault]
    with pytest.raises(FetchError, match=words) as raised:
        fetch(ask("api"))
    text = str(raised.value)
    assert FAKE.KEY not in text
    if fault != "422":
        assert text.endswith("fetch without a key: matsciml data fetch mp --release 2022-10-28.")
    assert text.count(". ") == 0


def test_being_locked_out_is_one_sentence(ask, server):
    server.faults[PAGE] = ["429"] * 4
    with pytest.raises(FetchError, match="status 429; run the same command again later"):
        fetch(ask("api"))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "needs a key: set MP_API_KEY"),
        ("0123456789abcdef", "has 32 characters"),
        ("schlüssel" * 4, "holds no key"),
    ],
)
def test_a_key_that_cannot_be_one_is_told_before_any_request(ask, server, monkeypatch, key, words):
    monkeypatch.setenv("MP_API_KEY", key)
    with pytest.raises(FetchError, match=words) as raised:
        fetch(ask("api"))
    assert not key or key not in str(raised.value)
    assert server.requests == []


def test_the_key_is_in_no_file_and_no_message(ask, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.faults[PAGE] = ["503", "429:1"]
    request = ask("api")
    fetch(request)
    assert any("again in" in one.message for one in caplog.records)
    assert FAKE.KEY not in caplog.text
    for file in request.folder.rglob("*"):
        assert file.is_dir() or FAKE.KEY.encode() not in file.read_bytes()
    assert all(one.headers["x-api-key"] == FAKE.KEY for one in server.requests)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/heartbeat", b"{}", "which version its database has"),
        ("/heartbeat", b"[]", "which version its database has"),
        (PAGE, b'{"data": []}', "no page of records"),
        (PAGE, b'{"data": 3, "meta": {"total_doc": 1}}', "no page of records"),
    ],
)
def test_an_answer_of_another_kind_is_rejected(ask, server, path, body, words):
    server.handlers[path] = lambda asked: Answer(body)
    with pytest.raises(FetchError, match=words):
        fetch(ask("api"))
