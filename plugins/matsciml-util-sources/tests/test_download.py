"""Downloads end whole and right, or with one clear sentence; nothing in between."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import namedtuple
from itertools import pairwise

import pytest
from filelock import FileLock

from matsciml_core.errors import FetchError
from matsciml_util_sources import download as files
from matsciml_util_sources.download import RemoteFile, download, verify

DATA = random.Random(0).randbytes(300_000)
MD5 = f"md5:{hashlib.md5(DATA).hexdigest()}"


@pytest.fixture
def remote(server):
    server.files["/data.bin"] = DATA

    def make(**changes):
        return RemoteFile(**{"url": f"{server.url}/data.bin", "name": "data.bin", **changes})

    return make


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_arrives_and_leaves_nothing_but_its_record(client, remote, tmp_path):
    path = download(client, remote(), tmp_path / "deep" / "folder")
    assert path.read_bytes() == DATA
    assert names(path.parent) == ["data.bin", "data.bin.fetched.json"]


@pytest.mark.parametrize(
    "faults",
    [
        ["503"],
        ["500", "502", "504"],
        ["reset", "reset"],
        ["drop:1000", "drop:90000", "drop:5"],
        ["drop:250000", "norange"],
        ["drop:1000", "etag"],
        ["empty"],
        ["drop:70000", "503", "drop:70000", "503", "drop:70000", "reset", "503"],
        ["gzip"],
        ["slow:0.1"],
    ],
    ids=" ".join,
)
def test_faults_that_pass_do_no_harm(client, remote, server, tmp_path, faults):
    server.faults["/data.bin"] = list(faults)
    path = download(client, remote(checksum=MD5, size=len(DATA)), tmp_path)
    assert path.read_bytes() == DATA
    assert not server.faults["/data.bin"]
    assert names(tmp_path) == ["data.bin", "data.bin.fetched.json"]


@pytest.mark.parametrize("faults", [["drop:100000"], ["drop:100000", "drop:50000"]])
def test_only_what_is_missing_is_asked_for(client, remote, server, tmp_path, faults):
    server.faults["/data.bin"] = list(faults)
    download(client, remote(), tmp_path)
    etag = server.etag("/data.bin")
    second = server.requests[1].headers
    assert (second["range"], second["if-range"]) == ("bytes=100000-", etag)
    if len(faults) == 2:
        assert server.requests[2].headers["range"] == "bytes=150000-"


def test_another_version_is_never_appended_to_the_old_one(client, remote, server, tmp_path):
    server.faults["/data.bin"] = ["drop:100000"]
    client.retry = type(client.retry)(attempts=1)
    with pytest.raises(FetchError, match="broke off"):
        download(client, remote(), tmp_path)
    server.files["/data.bin"] = DATA[::-1]
    assert download(client, remote(), tmp_path).read_bytes() == DATA[::-1]


def test_without_a_validator_only_a_checksum_allows_to_continue(client, server, tmp_path):
    from matsciml_util_sources.fake_server import Answer

    server.handlers["/plain"] = lambda asked: Answer(DATA)
    for checksum, ranged in (("", False), (MD5, True)):
        folder = tmp_path / (checksum[:3] or "none")
        file = RemoteFile(url=f"{server.url}/plain", name="x.bin", checksum=checksum)
        server.faults["/plain"] = ["drop:1000", "404"]
        with pytest.raises(FetchError, match="404"):
            download(client, file, folder)
        server.requests.clear()
        assert download(client, file, folder).read_bytes() == DATA
        assert ("range" in server.requests[0].headers) is ranged


def test_a_second_fetch_makes_no_request(client, remote, server, tmp_path):
    download(client, remote(checksum=MD5), tmp_path)
    server.requests.clear()
    download(client, remote(checksum=MD5), tmp_path)
    (tmp_path / "data.bin").touch()
    download(client, remote(checksum=MD5), tmp_path)
    assert server.requests == []


def test_a_flipped_byte_is_noticed_and_mended(client, remote, server, tmp_path):
    path = download(client, remote(), tmp_path)
    verify(path)
    changed = bytearray(DATA)
    changed[1234] ^= 1
    path.write_bytes(changed)
    with pytest.raises(FetchError, match="damaged"):
        verify(path)
    assert download(client, remote(), tmp_path).read_bytes() == DATA


def test_a_wrong_checksum_is_refused_after_a_second_try(client, remote, server, tmp_path):
    with pytest.raises(FetchError, match=r"has the checksum .* instead of 000"):
        download(client, remote(checksum="md5:" + 32 * "0"), tmp_path)
    assert len(server.requests) == 2
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (["html"], "web page instead of 'data.bin'"),
        (["waf"], "status 202 and without data"),
        (["204"], "status 204 and without data"),
        (["404"], "404: it has moved"),
        (["403"], "refused"),
        (["503"] * 4, "after 4 attempts: the server answered with status 503"),
        (["empty"] * 4, "the answer was empty"),
        (["reset"] * 4, "there is no connection"),
        (["short:10"], "has 299990 bytes .* instead of 300000"),
        (["long:10"], "has 300010 bytes .* instead of 300000"),
        (["429:5000"], "asks to wait 5000 s"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_no_data_is_refused(client, remote, server, tmp_path, faults, message):
    server.faults["/data.bin"] = list(faults)
    with pytest.raises(FetchError, match=message):
        download(client, remote(size=len(DATA)), tmp_path)
    assert not (tmp_path / "data.bin").exists()


def test_a_web_page_that_calls_itself_data_is_refused(client, server, tmp_path):
    server.files["/page"] = b"\n<html><body>Log in</body></html>"
    with pytest.raises(FetchError, match="web page"):
        download(client, RemoteFile(url=f"{server.url}/page", name="x.json"), tmp_path)


def test_retry_after_is_obeyed(client, remote, server, tmp_path, pauses):
    server.faults["/data.bin"] = ["429:7", "503:11"]
    download(client, remote(), tmp_path)
    assert 7 <= pauses[0] < 8
    assert 11 <= pauses[1] < 12


def test_a_full_disk_is_noticed_beforehand(client, remote, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage(1, 1, 1000))
    with pytest.raises(FetchError, match="GB are still to come"):
        download(client, remote(), tmp_path)
    assert (tmp_path / "data.bin").exists() is False


def test_two_processes_do_not_write_one_file(client, remote, tmp_path):
    with (
        FileLock(tmp_path / "data.bin.lock"),
        pytest.raises(FetchError, match="Another process is fetching"),
    ):
        download(client, remote(), tmp_path)


def test_progress_counts_bytes_and_ends(client, remote, server, tmp_path):
    seen = []
    server.faults["/data.bin"] = ["drop:100000"]
    download(client, remote(), tmp_path, report=seen.append)
    assert seen[-1].finished
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (len(DATA), len(DATA), "bytes")
    assert all(one.done <= two.done for one, two in pairwise(seen))


def test_a_name_with_folders_or_a_strange_checksum_is_refused():
    with pytest.raises(FetchError, match="no file name"):
        RemoteFile(url="http://a/b", name="../b")
    with pytest.raises(FetchError, match="checksum"):
        RemoteFile(url="http://a/b", name="b", checksum="crc:1")


SCRIPT = """
import sys
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile, download
file = RemoteFile(url=sys.argv[1], name="data.bin", checksum=sys.argv[2])
download(Client(Addresses()), file, sys.argv[3])
"""


def test_a_killed_download_goes_on_where_it_was(server, client, remote, tmp_path):
    """kill -9 at random moments; in the end the bytes are right and few came twice."""
    random_moment = random.Random(1)
    command = [sys.executable, "-c", SCRIPT, f"{server.url}/data.bin", MD5, str(tmp_path)]
    server.files["/data.bin"] = DATA
    server.faults["/data.bin"] = ["drip:0.01"] * 3
    part = tmp_path / "data.bin.part"
    for _ in range(3):
        before = part.stat().st_size if part.exists() else 0
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 300
        while not (part.exists() and part.stat().st_size > before):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(random_moment.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "data.bin").exists()
    have = os.path.getsize(part)
    assert have > 0
    path = download(client, remote(checksum=MD5), tmp_path)
    assert server.requests[-1].headers["range"] == f"bytes={have}-"
    assert path.read_bytes() == DATA
