"""Records of repositories that run InvenioRDM: Zenodo, the Materials Cloud Archive, and others.

Three routes are used, the same at all of them:

.. code-block:: text

    /api/records?q=pids.doi.identifier:"10.…"   the record that has a DOI
    /api/records/<id>/files                      its files with sizes and checksums
    /api/records/<id>/files/<name>/content       a file, with Range

Where the search knows nothing, ``https://doi.org/<doi>`` redirects to the record's page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from matsciml_core.errors import FetchError
from matsciml_core.files import read_object, write_json
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile

MATERIALS_CLOUD = "https://archive.materialscloud.org"
ZENODO = "https://zenodo.org"
DOI_RESOLVER = "https://doi.org"
_PAGE = re.compile(r"/records?/([A-Za-z0-9-]+)")


def find_record(client: Client, host: str, doi: str) -> str:
    """Return the id of the record that has a DOI.

    Args:
        client: Sends the requests.
        host: Address of the repository, such as ``MATERIALS_CLOUD``.
        doi: The DOI, without an address before it.

    Raises:
        FetchError: The repository has no such record.
    """
    query = {"q": f'pids.doi.identifier:"{doi}"', "allversions": "true"}
    answer = client.get_json(f"{host}/api/records", query)
    try:
        for hit in answer["hits"]["hits"]:
            # The search may match words of the DOI; DOIs themselves do not depend on case.
            if hit["pids"]["doi"]["identifier"].lower() == doi.lower():
                return str(hit["id"])
    except (KeyError, TypeError, AttributeError):
        raise _changed(host) from None
    return client.persist(lambda: _follow_doi(client, doi), f"{DOI_RESOLVER}/{doi}")


def list_files(client: Client, host: str, record: str) -> dict[str, RemoteFile]:
    """Return the files of a record by their names.

    Args:
        client: Sends the request.
        host: Address of the repository.
        record: Id of the record.

    Raises:
        FetchError: There is no such record, or the answer is something else.
    """
    address = f"{host}/api/records/{quote(record)}/files"
    answer = client.get_json(address)
    try:
        # Zenodo's older answers call the list otherwise.
        entries = answer["entries"] if "entries" in answer else answer["files"]
        return {entry["key"]: _remote_file(entry, address) for entry in entries}
    except (KeyError, TypeError):
        raise _changed(host) from None


def remembered_file(note: Path, find: Callable[[], RemoteFile]) -> RemoteFile:
    """Return what a file at a source was found to be, asking only the first time.

    Args:
        note: JSON file that keeps the answer.
        find: Asks the source.
    """
    noted = read_object(note)
    if noted is not None:
        return RemoteFile(**noted)
    file = find()
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, asdict(file))
    return file


def _remote_file(entry: Mapping[str, Any], address: str) -> RemoteFile:
    name = str(entry["key"])
    return RemoteFile(
        # The answer links to the file too, but some servers name themselves by an inner address.
        url=f"{address}/{quote(name)}/content",
        name=name.rpartition("/")[2],
        size=entry.get("size"),
        # As "md5:…", the form that a download compares with.
        checksum=entry.get("checksum") or "",
    )


def _follow_doi(client: Client, doi: str) -> str:
    with client.open(f"{DOI_RESOLVER}/{quote(doi)}") as response:
        match = _PAGE.search(urlsplit(response.url).path)
    if match is None:
        raise FetchError(f"The DOI '{doi}' does not lead to a record; the source has moved.")
    return match[1]


def _changed(host: str) -> FetchError:
    return FetchError(f"'{host}' answered in another form than InvenioRDM does; it has changed.")
