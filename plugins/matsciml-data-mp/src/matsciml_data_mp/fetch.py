"""Fetching the Materials Project: a release from its public bucket, or what its interface has.

The bucket needs no key and keeps every release, so that is the default; the interface serves the
present database only, whose labels change with each version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from matsciml_core.data import ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import ParallelSource, read_manifest
from matsciml_core.errors import DataError, FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_mp.bucket import fetch_objects
from matsciml_data_mp.config import MPFetchConfig
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.interface import Database
from matsciml_data_mp.label_sizes import write_label_sizes
from matsciml_data_mp.objects import Piece, read_objects, read_piece, up_to
from matsciml_data_mp.records import GNOME_BATCHES, Rules
from matsciml_data_mp.stores import API, DEFAULT_RELEASE, canonical
from matsciml_util_sources.client import connected

_GNOME_LICENCE = "crystals from GNoME: CC-BY-NC-4.0"


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What was fetched, before it is ingested."""

    read: Callable[[int], Iterator[Piece]]
    """Yields the records from an index on."""
    release: str
    content: object = None
    """Identifies it, as JSON."""
    total: int | None = None
    """Number of records, where known."""
    controlled: frozenset[str] = field(default=frozenset())
    """Batches under another licence, as far as the source names them."""


def fetch(request: FetchRequest) -> Path:
    """Fetch a release, or its first ``limit`` records, and make a store of it.

    Args:
        request: Where to put it. The release is a date, such as ``2022-10-28`` (the default), or
            ``api`` for the present database, which needs a key.

    Returns:
        The store's folder.

    Raises:
        FetchError: There is no such release, or the source does not answer.
        DataError: Nothing of it can be used, or there is a store made with other settings.
        MissingPackageError: The release is kept in Parquet, and pyarrow is not installed.
    """
    if request.subset is not None:
        raise FetchError("The Materials Project comes as a whole; leave --split out.")
    request = connected(request)
    options = MPFetchConfig() if request.options is None else request.options
    release = canonical(request.release or DEFAULT_RELEASE)
    # A trial has a store of its own, so that it is not in the way of the whole release.
    name = "store" if request.limit is None else f"trial-{request.limit}"
    store = request.folder / name
    settings = _digest([release, options.model_dump(exclude={"threads"}), request.limit])
    manifest = read_manifest(store)
    if manifest is not None and not manifest.fingerprint.startswith(settings):
        raise DataError(
            f"'{store}' was made with other settings; remove it, or name another folder with --to."
        )
    if manifest is None:
        raw = (_from_interface if release == API else _from_bucket)(request, release, options)
        fingerprint = f"{settings}-{_digest(raw.content)}"
    else:  # nothing is read of a finished store's source, which may have been removed
        raw, fingerprint = Raw(read=lambda start: iter(()), release=release), manifest.fingerprint
    _ingest(request, raw, options, store, fingerprint)
    write_label_sizes(store)
    return store


def _from_bucket(request: FetchRequest, release: str, options: MPFetchConfig) -> Raw:
    """Fetch the objects of a release."""
    plan, paths = fetch_objects(request, release, options.threads)
    return Raw(
        read=partial(read_objects, paths),
        release=release,
        content=[[item.key, item.size, item.etag] for item in plan.objects],
    )


def _from_interface(request: FetchRequest, release: str, options: MPFetchConfig) -> Raw:
    """Fetch the pages of the present database."""
    database = Database(request, deprecated=options.include_deprecated)
    database.harvest()
    return Raw(
        read=database.read,
        release=database.release,
        content=[release, database.release, database.spool.count],
        total=database.spool.count,
        controlled=database.controlled,
    )


def _ingest(
    request: FetchRequest, raw: Raw, options: MPFetchConfig, store: Path, fingerprint: str
) -> None:
    rules = Rules(
        include_gnome=options.include_gnome,
        include_deprecated=options.include_deprecated,
        min_sites=options.min_sites,
        controlled=GNOME_BATCHES | raw.controlled,
    )

    def pieces(start: int) -> Iterator[tuple[Piece, int]]:
        left = None if request.limit is None else request.limit - start
        return up_to(raw.read(start), left)

    spec = declare("release")
    trial = "" if request.limit is None else f", first {request.limit:,} records"
    provenance = Provenance.from_spec(spec, raw.release + trial)
    licence = f"{spec.licence}; {_GNOME_LICENCE}" if options.include_gnome else spec.licence
    ingest(
        ParallelSource(pieces=pieces, read=partial(read_piece, rules=rules)),
        store,
        targets=spec.targets,
        provenance=replace(provenance, licence=licence),
        fingerprint=fingerprint,
        label="Materials Project crystals",
        total=raw.total if request.limit is None else request.limit,
        report=request.report,
        pool=request.pool,
    )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
