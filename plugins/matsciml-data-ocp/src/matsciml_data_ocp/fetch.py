"""Fetching S2EF and IS2RE: archives, resumed and checked, then read piece by piece.

An archive is fetched when its subset is converted, not before, so that a store that is finished
needs none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from matsciml_core import DatasetSpec
from matsciml_core.data import ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import ParallelSource
from matsciml_core.errors import FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_ocp import is2re, s2ef
from matsciml_data_ocp.config import OCPFetchConfig
from matsciml_data_ocp.declaration import IS2RE, S2EF
from matsciml_data_ocp.inventory import note_sizes
from matsciml_data_ocp.splitting import count_default_split
from matsciml_data_ocp.subsets import TRAIN, Published, SourceFile, find_files
from matsciml_util_sources.client import connected
from matsciml_util_sources.download import RemoteFile, download

_VALIDATION_SHARE, _FEWEST = 5, 10
"""In a trial, validation sets get a fifth of what the training set gets, but not fewer than ten,
so that there are two systems to divide."""


def fetch_s2ef(request: FetchRequest) -> Path:
    """Fetch subsets of S2EF, by default 200,000 frames to train on and ``val_id``.

    Args:
        request: Where to put them, and which.

    Returns:
        The store's folder.

    Raises:
        FetchError: There is no such subset, or the server does not give it.
        DataError: An archive is not what was published.
    """
    request = connected(request)
    published = _published("s2ef", request, "200K")
    subsets = [
        s2ef.Subset(
            name=file.subset,
            pairs=partial(_pairs, request, file),
            limit=_limit(request, file),
        )
        for file in published.files
    ]
    source = ParallelSource(pieces=partial(s2ef.shards, subsets), read=s2ef.read_shard)
    return _ingest(request, published, source, S2EF, "S2EF frames")


def fetch_is2re(request: FetchRequest) -> Path:
    """Fetch subsets of IS2RE, by default all to train on, ``val_id`` and the other three.

    Args:
        request: Where to put them, and which.

    Returns:
        The store's folder.

    Raises:
        FetchError: There is no such subset, or the server does not give it.
        DataError: The archive is not what was published, or the disk is too full to unpack it.
    """
    request = connected(request)
    published = _published("is2re", request, "all+val_id+val_ood_ads+val_ood_cat+val_ood_both")
    raw = request.folder / "raw"
    unpacked = {file.subset: raw / file.member.replace("/", "-") for file in published.files}

    def pieces(start: int) -> Iterator[tuple[is2re.Records, int]]:
        archive = _download(request, published.files[0])
        is2re.unpack(archive, {file.member: unpacked[file.subset] for file in published.files})
        for file in published.files:
            limit = _limit(request, file)
            path = unpacked[file.subset]
            yield from is2re.pieces(file.subset, path, start, limit)
            start = max(0, start - is2re.count(path, limit))

    source = ParallelSource(pieces=pieces, read=is2re.read_relaxations)
    store = _ingest(request, published, source, IS2RE, "IS2RE systems")
    for path in unpacked.values():
        is2re.remove_unpacked(path)  # ten times as large as the archive, which stays
    return store


def _published(dataset: str, request: FetchRequest, default: str) -> Published:
    if request.release is not None:
        raise FetchError(
            f"There is one release of {dataset}; leave --release out, and choose a subset by "
            "--split."
        )
    options = OCPFetchConfig() if request.options is None else request.options
    return find_files(dataset, request.subset or default, options.sources)


def _ingest(
    request: FetchRequest,
    published: Published,
    source: ParallelSource,
    spec: DatasetSpec,
    label: str,
) -> Path:
    """Make a store of subsets, one after the other."""
    store = request.folder / "store"
    limits = [_limit(request, file) for file in published.files]
    totals = zip(published.files, limits, strict=True)
    ingest(
        source,
        store,
        targets=spec.targets,
        provenance=Provenance.from_spec(spec, published.release),
        site_properties=s2ef.SITE_PROPERTIES,
        # Other subsets, or a larger trial, make another store.
        fingerprint=hashlib.sha256(repr((published, limits)).encode()).hexdigest(),
        label=label,
        total=sum(file.records if most is None else most for file, most in totals),
        report=request.report,
        pool=request.pool,
    )
    note_sizes(store, count_default_split(store))
    return store


def _pairs(request: FetchRequest, file: SourceFile) -> Iterator[s2ef.Pair]:
    """Yield the pairs of an archive, which is fetched when the first one is asked for."""
    yield from s2ef.pairs_of_archive(_download(request, file))


def _download(request: FetchRequest, file: SourceFile) -> Path:
    remote = RemoteFile(url=file.url, name=file.file, checksum=f"md5:{file.md5}")
    return download(request.client, remote, request.folder / "raw", report=request.report)


def _limit(request: FetchRequest, file: SourceFile) -> int | None:
    if request.limit is None or file.subset == TRAIN:
        return request.limit
    return max(_FEWEST, request.limit // _VALIDATION_SHARE)
