"""Records are found by their DOI or number, and files at figshare where programs are welcome."""

from __future__ import annotations

import json

import pytest

from matsciml_core.errors import FetchError
from matsciml_util_sources import figshare
from matsciml_util_sources.download import RemoteFile
from matsciml_util_sources.fake_server import Answer
from matsciml_util_sources.invenio import find_record, list_files, remembered_file

DOI = "10.1234/abc:d-5"
MD5 = "md5:" + 32 * "a"


def as_json(data):
    return lambda asked: Answer(json.dumps(data).encode())


def hit(record, doi):
    return {"id": record, "pids": {"doi": {"identifier": doi}}}


def test_a_record_is_found_by_its_doi_and_no_other(client, server):
    hits = [hit("one-1", DOI + "0"), hit("two-2", DOI.upper())]
    server.handlers["/api/records"] = as_json({"hits": {"hits": hits}})
    assert find_record(client, server.url, DOI) == "two-2"
    (asked,) = server.requests
    assert asked.query["q"] == f'pids.doi.identifier:"{DOI}"'


@pytest.mark.parametrize("page", ["/records/new-7", "/record/new-7?x=1"])
def test_the_doi_itself_leads_to_the_record(client, server, monkeypatch, page):
    monkeypatch.setattr("matsciml_util_sources.invenio.DOI_RESOLVER", server.url)
    server.handlers["/api/records"] = as_json({"hits": {"hits": []}})
    server.handlers["/10.1234/"] = lambda asked: Answer(status=302, headers={"Location": page})
    server.handlers["/record"] = lambda asked: Answer(b"<html>The record</html>")
    assert find_record(client, server.url, DOI) == "new-7"


@pytest.mark.parametrize("answer", [{}, {"hits": []}, [], {"hits": {"hits": [{"id": 3}]}}])
def test_an_answer_of_another_form_is_refused(client, server, answer):
    server.handlers["/api/records"] = as_json(answer)
    with pytest.raises(FetchError, match="another form than InvenioRDM"):
        find_record(client, server.url, DOI)


@pytest.mark.parametrize("key", ["entries", "files"])
def test_the_files_of_a_record(client, server, key):
    entry = {"key": "a b.zip", "size": 7, "checksum": MD5}
    server.handlers["/api/records/8/files"] = as_json({key: [entry]})
    url = f"{server.url}/api/records/8/files/a%20b.zip/content"
    assert list_files(client, server.url, "8") == {
        "a b.zip": RemoteFile(url=url, name="a b.zip", size=7, checksum=MD5)
    }


def test_a_list_of_another_form_is_refused(client, server):
    server.handlers["/api/records/8/files"] = as_json({"message": "gone"})
    with pytest.raises(FetchError, match="another form than InvenioRDM"):
        list_files(client, server.url, "8")


def test_what_was_found_is_remembered(tmp_path):
    asked = []

    def find():
        asked.append(1)
        return RemoteFile(url="https://a.org/b", name="b", size=3, checksum=MD5)

    note = tmp_path / "raw" / "record.json"
    assert remembered_file(note, find) == remembered_file(note, find) == find()
    assert len(asked) == 2


@pytest.mark.parametrize(
    "text",
    [
        40344436,
        "40344436",
        "https://figshare.com/ndownloader/files/40344436",
        "https://ndownloader.figshare.com/files/40344436",
        "https://api.figshare.com/v2/file/download/40344436",
        "https://springernature.figshare.com/ndownloader/files/40344436?private_link=1",
    ],
)
def test_any_address_at_figshare_becomes_that_for_programs(text):
    assert figshare.file_address(text) == "https://api.figshare.com/v2/file/download/40344436"


@pytest.mark.parametrize("text", ["https://figshare.com/articles/x", "https://a.org/files/3", ""])
def test_what_is_no_file_at_figshare_is_refused(text):
    with pytest.raises(FetchError, match="no file at figshare"):
        figshare.file_address(text)


def test_the_files_of_an_article(client, server, monkeypatch):
    monkeypatch.setattr(figshare, "FIGSHARE", server.url)
    listed = [
        {"id": 5, "name": "a.zip", "size": 3, "computed_md5": 32 * "b"},
        {"id": 6, "name": "b.zip", "size": 4, "computed_md5": ""},
    ]
    server.handlers["/articles/9"] = as_json({"files": listed})
    files = figshare.list_files(client, 9)
    assert files["a.zip"].checksum == "md5:" + 32 * "b"
    assert files["b.zip"] == RemoteFile(
        url=f"{server.url}/file/download/6", name="b.zip", size=4, checksum=""
    )
    server.handlers["/articles/9"] = as_json({"message": "gone"})
    with pytest.raises(FetchError, match="no list of files for article 9"):
        figshare.list_files(client, 9)
