"""Buckets are listed to their ends, and what they list is fetched whole and once."""

from __future__ import annotations

import hashlib
import threading
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest

from matsciml_core.errors import FetchError
from matsciml_core.progress import Progress
from matsciml_util_sources.download import download
from matsciml_util_sources.fake_server import Answer
from matsciml_util_sources.many_files import download_all
from matsciml_util_sources.s3 import Bucket, S3Object, key_below

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def listing(*entries: str, token: str = "") -> bytes:
    following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    truncated = str(bool(token)).lower()
    return (
        f'<?xml version="1.0"?><ListBucketResult xmlns="{NAMESPACE}">{"".join(entries)}'
        f"<IsTruncated>{truncated}</IsTruncated>{following}</ListBucketResult>"
    ).encode()


def contents(key: str, size: int | str, etag: str) -> str:
    name = escape(key)
    return f'<Contents><Key>{name}</Key><Size>{size}</Size><ETag>"{etag}"</ETag></Contents>'


@pytest.fixture
def bucket(server, client):
    return Bucket(client, server.url)


@pytest.fixture
def files(server):
    """Objects that the server has: one with characters that addresses must not contain."""
    data = {"d/a b+c&d.bin": b"first" * 200, "d/é/x=1.bin": b"second" * 100, "d/z.bin": b"third"}

    def answer(asked):
        if asked.path == "/":
            entries = [contents(key, len(body), md5(body)) for key, body in data.items()]
            return Answer(listing(*entries))
        body = data[unquote(asked.path)[1:]]
        return Answer(body, headers={"ETag": f'"{md5(body)}"'})

    server.handlers["/"] = answer
    return data


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def test_a_listing_is_read_to_its_end(server, bucket):
    pages = {
        "": listing(contents("p/a&b", 1, "e1"), contents("p/c", 2, "e2-3"), token="one more/="),
        "one more/=": listing(contents("p/d", 3, "e3"), token="t2"),
        "t2": listing(),
    }
    server.handlers["/"] = lambda asked: Answer(pages[asked.query.get("continuation-token", "")])
    assert list(bucket.objects("p/")) == [
        S3Object(key="p/a&b", size=1, etag="e1"),
        S3Object(key="p/c", size=2, etag="e2-3"),
        S3Object(key="p/d", size=3, etag="e3"),
    ]
    asked = [one.query for one in server.requests]
    assert [one["prefix"] for one in asked] == ["p/"] * 3
    assert {one["list-type"] for one in asked} == {"2"}


def test_folders_are_what_lies_directly_below(server, bucket):
    entries = "".join(
        f"<CommonPrefixes><Prefix>c/{name}/</Prefix></CommonPrefixes>" for name in ("x", "y=1")
    )
    server.handlers["/"] = lambda asked: Answer(listing(contents("c/file", 1, "e"), entries))
    assert bucket.folders("c/") == ["x", "y=1"]
    assert server.requests[0].query["delimiter"] == "/"


@pytest.mark.parametrize("token", ["", "again"])
def test_a_listing_that_does_not_end_is_noticed(server, bucket, token):
    page = listing(contents("a", 1, "e"), token="again")
    if not token:
        page = page.replace(b"<NextContinuationToken>again</NextContinuationToken>", b"")
    server.handlers["/"] = lambda asked: Answer(page)
    with pytest.raises(FetchError, match="does not end"):
        list(bucket.objects(""))
    assert len(server.requests) <= 2


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>Sign in</html>",
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
        listing(contents("a", 1, "e"))[:-30],
        b"{}",
    ],
)
def test_an_answer_that_is_no_listing_is_refused(server, bucket, body):
    server.handlers["/"] = lambda asked: Answer(body)
    with pytest.raises(FetchError, match="did not answer with a listing"):
        list(bucket.objects(""))


@pytest.mark.parametrize("entry", [contents("", 1, "e"), contents("a", "", "e")])
def test_an_object_without_name_or_size_is_refused(server, bucket, entry):
    server.handlers["/"] = lambda asked: Answer(listing(entry))
    with pytest.raises(FetchError, match="without name or size"):
        list(bucket.objects(""))


@pytest.mark.parametrize("faults", [["503", "reset"], ["429:1"], ["drop:80", "empty"]])
def test_a_listing_comes_through_faults(server, bucket, files, faults):
    server.faults["/"] = faults
    assert [one.key for one in bucket.objects("")] == list(files)


def test_objects_are_fetched_by_their_keys(bucket, files, client, tmp_path):
    for one in bucket.objects("d/"):
        folder = tmp_path / key_below(one.key, "d/").parent
        path = download(client, bucket.remote_file(one), folder)
        assert path.read_bytes() == files[one.key]
    assert (tmp_path / "é" / "x=1.bin").exists()


def test_an_object_that_was_replaced_after_the_listing_is_refused(bucket, files, client, tmp_path):
    (one,) = (found for found in bucket.objects("") if found.key == "d/z.bin")
    files["d/z.bin"] = b"other"
    with pytest.raises(FetchError, match="has the checksum"):
        download(client, bucket.remote_file(one), tmp_path)
    assert not (tmp_path / "z.bin").exists()


@pytest.mark.parametrize(
    "key", ["d/../x", "d//x", "d/", "d/./x", "e/x", "d/a\\b", "d/c:x", "d/../../x"]
)
def test_no_key_leads_out_of_the_folder(key):
    with pytest.raises(FetchError, match="cannot be a file"):
        key_below(key, "d/")


class TestManyFiles:
    def listed(self, bucket, folder):
        return [
            (bucket.remote_file(one), folder / key_below(one.key, "d/").parent)
            for one in bucket.objects("d/")
        ]

    def test_all_arrive_and_are_asked_for_once(self, server, client, bucket, files, tmp_path):
        wanted = self.listed(bucket, tmp_path)
        server.faults["/d/z.bin"] = ["503", "drop:2"]
        events: list[Progress] = []
        download_all(client, wanted, label="all", report=events.append)
        total = sum(map(len, files.values()))
        assert {len(file.read_bytes()) for file in tmp_path.rglob("*.bin")} == {1000, 600, 5}
        assert (events[-1].done, events[-1].total, events[-1].finished) == (total, total, True)
        server.requests.clear()
        download_all(client, wanted, label="all", report=events.append)
        assert server.requests == []
        assert events[-1].done == total

    def test_one_that_cannot_be_fetched_ends_it(self, server, client, bucket, files, tmp_path):
        wanted = self.listed(bucket, tmp_path)
        server.faults["/d/z.bin"] = ["404"]
        with pytest.raises(FetchError, match="status 404"):
            download_all(client, wanted, label="all", threads=1)
        assert not (tmp_path / "z.bin").exists()
        download_all(client, wanted, label="all", threads=1)
        assert (tmp_path / "z.bin").read_bytes() == b"third"

    def test_nothing_to_fetch_is_done_at_once(self, client):
        events: list[Progress] = []
        download_all(client, [], label="none", report=events.append)
        assert events[-1].finished

    def test_as_many_at_a_time_as_wanted(self, server, client, bucket, files, tmp_path):
        wanted = self.listed(bucket, tmp_path)
        running, most, lock = [0], [0], threading.Lock()
        inner = server.handlers["/"]

        def counted(asked):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            threading.Event().wait(0.05)
            with lock:
                running[0] -= 1
            return inner(asked)

        server.handlers["/"] = counted
        download_all(client, wanted, label="all", threads=2)
        assert most[0] == 2
