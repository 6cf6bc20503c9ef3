"""Carolina from Zenodo, where the toolkit's authors put their LMDB, or from the site itself."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from matsciml_core.data import ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import Source
from matsciml_core.errors import FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_carolina.config import CarolinaFetchConfig
from matsciml_data_carolina.declaration import SPEC
from matsciml_data_carolina.site import SITE, harvest, read_record
from matsciml_data_carolina.toolkit import crystal_of
from matsciml_util_sources.archive import unpack
from matsciml_util_sources.client import Client, connected
from matsciml_util_sources.download import RemoteFile, download
from matsciml_util_sources.invenio import ZENODO, list_files, remembered_file
from matsciml_util_toolkit_lmdb.conversion import record_source
from matsciml_util_toolkit_lmdb.records import count_records, lmdb_files

RECORD = "8381476"
"""Number at Zenodo of the toolkit's datasets."""
_OWN = re.compile(r"carolina|\bcmd", re.IGNORECASE)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


def fetch(request: FetchRequest) -> Path:
    """Fetch the database, or its first ``limit`` crystals, and make a store of it.

    Args:
        request: Where to put it; ``release`` is the number of a record at Zenodo.

    Returns:
        The store's folder.

    Raises:
        FetchError: The source does not answer, or has no such data any more.
        DataError: Nothing of it can be used.
    """
    request = connected(request)
    options = request.options or CarolinaFetchConfig()
    if request.subset is not None:
        raise FetchError("Carolina comes as a whole; leave --split out.")
    if not options.from_site:
        return fetch_archive(request)
    if request.release is not None:
        raise FetchError("The site serves its newest release only; leave --release out.")
    spool = harvest(request)
    return _store(
        request,
        "site",
        lambda start: map(read_record, spool.records(start)),
        release=f"{SITE}, {spool.count} files",
        fingerprint=f"site {spool.count}",
        total=spool.count,
    )


def fetch_archive(request: FetchRequest) -> Path:
    """Fetch the toolkit's LMDB from Zenodo, and make a store of it; see :func:`fetch`."""
    record = request.release or RECORD
    raw = request.folder / "raw"
    file = remembered_file(raw / f"{record}.json", lambda: find_file(request.client, record))
    path = download(request.client, file, raw, report=request.report)
    if file.name.endswith(_ARCHIVES):
        path = raw / "unpacked"
        if not unpack(raw / file.name, path, _lmdb_name):
            raise FetchError(f"'{file.name}' of record {record} at Zenodo holds no LMDB file.")
    source = record_source(path, crystal_of)
    total = count_records(lmdb_files(path))
    if request.limit is not None:
        total = min(total, request.limit)
    return _store(
        request,
        "store",
        lambda start: islice(source(start), total - start),
        release=f"Zenodo record {record}, {file.name}, {file.checksum}",
        fingerprint=file.checksum,
        total=total,
    )


def find_file(client: Client, record: str) -> RemoteFile:
    """Return which file of a record at Zenodo holds the database.

    Raises:
        FetchError: There is no such record, or none of its files, or several, can be it.
    """
    files = list_files(client, ZENODO, record)
    # The record holds the toolkit's other datasets too, and names have changed between versions.
    candidates = [file for name, file in files.items() if _OWN.search(name)]
    if len(candidates) != 1:
        raise FetchError(
            f"Record {record} at Zenodo has {len(candidates)} files that could be Carolina's "
            f"({', '.join(sorted(files)) or 'none at all'}); name another record with --release, "
            "or ask the site with --set from_site=true."
        )
    return candidates[0]


def _store(
    request: FetchRequest,
    name: str,
    source: Source,
    *,
    release: str,
    fingerprint: str,
    total: int,
) -> Path:
    """Make a store of crystals, called after the source they are from."""
    # A trial gets a folder of its own, so that it never passes for the whole database.
    folder = request.folder / (name if request.limit is None else f"{name}-first-{total}")
    ingest(
        source,
        folder,
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, release),
        fingerprint=fingerprint,
        label="Carolina crystals",
        total=total,
        report=request.report,
    )
    return folder


def _lmdb_name(member: str) -> str | None:
    """Return what to call the file of an archive's member; None: it is no LMDB."""
    if not member.endswith((".lmdb", ".mdb")) or member.endswith("lock.mdb"):
        return None
    flat = re.sub(r"[^\w.-]+", "-", member).strip("-.")
    return flat if flat.endswith(".lmdb") else f"{flat}.lmdb"
