"""Answers have bounds, what is wrong is not asked for again, and keys travel encrypted."""

from __future__ import annotations

import json

import pytest

from matsciml_core.errors import FetchError
from matsciml_util_sources import client as client_module
from matsciml_util_sources.download import LARGEST_DOWNLOAD, RemoteFile, download
from matsciml_util_sources.fake_server import Answer


@pytest.mark.parametrize("fault", ["ok", "gzip"])
def test_an_answer_that_is_too_large(server, client, monkeypatch, fault):
    monkeypatch.setattr(client_module, "LARGEST_ANSWER", 10_000)
    server.files["/x"] = json.dumps("x" * 200_000).encode()
    server.faults["/x"] = [fault] * 4
    with pytest.raises(FetchError, match="no page of records is"):
        client.get_json(f"{server.url}/x")
    assert len(server.requests) == 1


def test_a_download_that_is_longer_than_declared_stops(server, client, tmp_path):
    server.files["/a.bin"] = bytes(range(256)) * 4000
    server.faults["/a.bin"] = ["gzip"] * 4  # no length is announced that would tell before
    file = RemoteFile(url=f"{server.url}/a.bin", name="a.bin", size=1000)
    with pytest.raises(FetchError, match="sends more than the 1,000 bytes"):
        download(client, file, tmp_path)
    assert len(server.requests) == 1
    assert not list(tmp_path.glob("a.bin*part*"))


def test_a_download_without_a_size_has_a_bound_with_a_setting(
    server, client, tmp_path, monkeypatch
):
    server.files["/a.bin"] = bytes(range(256)) * 4000
    server.faults["/a.bin"] = ["gzip"] * 4
    monkeypatch.setenv(LARGEST_DOWNLOAD, "0.0001")
    file = RemoteFile(url=f"{server.url}/a.bin", name="a.bin")
    with pytest.raises(FetchError, match="MATSCIML_LARGEST_DOWNLOAD"):
        download(client, file, tmp_path)
    assert len(server.requests) == 1
    monkeypatch.delenv(LARGEST_DOWNLOAD)
    assert download(client, file, tmp_path).stat().st_size == 1_024_000


def test_a_key_is_not_sent_without_encryption(client, monkeypatch):
    monkeypatch.delenv(client_module.ALLOW_HTTP, raising=False)
    with pytest.raises(FetchError, match=r"could read your key; use an https.*MATSCIML_ALLOW_HTTP"):
        client.get_json("http://example.invalid/x", secrets={"X-API-KEY": "secret"})


@pytest.mark.parametrize(
    ("begun", "target", "refused"),
    [
        ("https://a.org/x", "http://a.org/x", True),
        ("https://a.org/x", "https://b.org/x", False),
        ("http://a.org/x", "http://b.org/x", False),
        ("https://a.org/x", "http://127.0.0.1/x", False),
    ],
)
def test_encryption_once_begun_is_kept(monkeypatch, begun, target, refused):
    monkeypatch.delenv(client_module.ALLOW_HTTP, raising=False)
    if refused:
        with pytest.raises(FetchError, match="not encrypted"):
            client_module._check_encryption(begun, target)
        monkeypatch.setenv(client_module.ALLOW_HTTP, "1")
    client_module._check_encryption(begun, target)


def test_on_this_machine_keys_need_no_encryption(server, client):
    server.handlers["/x"] = lambda asked: Answer(json.dumps(asked.headers["x-api-key"]).encode())
    assert client.get_json(f"{server.url}/x", secrets={"X-API-KEY": "secret"}) == "secret"
