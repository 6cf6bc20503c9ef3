"""From a stream of crystals to a store: checked, counted, and resumed after a kill.

A source is a function that yields its records from a given one on, always in the same order, or a
:class:`ParallelSource`, which several processes read. What can't be made a crystal is yielded as a
:class:`Rejection`, so that nothing disappears: every record ends up in the store, or in the
manifest under a reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from matsciml_core.data.ingestion._preparing import CHUNK, Prepared, prepare, prepare_piece
from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.data.ingestion.sources import Item, ParallelSource, Rejection, Source, reason_of
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.data.store.record_layout import RecordLayout
from matsciml_core.data.store.resumable import ResumableWriter, tidy
from matsciml_core.errors import DataError
from matsciml_core.files import read_object, write_json
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.progress import Meter, Report, silent, unknown_share
from matsciml_core.registry.targets import TargetInfo

__all__ = [
    "Conversion",
    "Item",
    "LateSiteProperty",
    "Manifest",
    "ParallelSource",
    "Rejection",
    "Source",
    "fingerprint_of",
    "from_iterable",
    "ingest",
    "read_manifest",
    "reason_of",
]

MANIFEST = "manifest.json"


class LateSiteProperty(DataError):
    """A record has a site property that none before it had, and that the layout has no room for."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A foreign file, understood: what the function named in ``DatasetSpec.readers`` returns."""

    source: Source | ParallelSource
    targets: Sequence[TargetInfo]
    provenance: Provenance
    fingerprint: str
    """Identifies the file; :func:`fingerprint_of` makes one."""
    summary: str
    """One line for ``matsciml list-plugins``."""
    total: int | None = None
    """Number of records, where known."""
    share: Callable[[], float | None] = unknown_share
    """Returns which share of the source has been read, where ``total`` is not known."""
    site_properties: Sequence[str] = ()
    """Names of the site properties of atoms to store; a source that meets another one adds it
    and raises :class:`LateSiteProperty`."""
    remarks: Callable[[], list[str]] = list
    """Returns what is to be said of the source, once it was read."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What became of a source; written beside the store as ``manifest.json``."""

    records: int
    """Records of the source."""
    accepted: int
    """Crystals in the store."""
    rejected: dict[str, dict[str, Any]]
    """Reason → ``count``, ``examples``, and ``detail``, the reason with the first one's numbers."""
    atoms: int
    volume_per_atom: list[float]
    """Smallest and largest, Å³."""
    fingerprint: str
    """What identified the source."""
    content_hash: str
    """Of the store."""
    remarks: list[str] = field(default_factory=list)
    """What the source says of itself that cost no record, such as ids that had to be numbered."""


def ingest(
    source: Source | ParallelSource,
    folder: str | Path,
    *,
    targets: Sequence[TargetInfo],
    provenance: Provenance,
    site_properties: Sequence[str] = (),
    fingerprint: str = "",
    remarks: Callable[[], list[str]] = list,
    label: str = "crystals",
    total: int | None = None,
    share: Callable[[], float | None] = unknown_share,
    report: Report = silent,
    pool: PoolConfig = SERIAL,
    shard_size: int = 50_000,
) -> Manifest:
    """Make a store of a source.

    Memory stays flat, whatever the number of records. A process that is killed loses at most the
    last 1,000 records: the next call with the same arguments goes on behind them, and the store
    is the same, byte for byte, as if nothing had happened. A call for a store that is finished
    reads nothing.

    Left out, and counted, is what has no plausible geometry (see :func:`check_geometry`), an
    infinite label, a label with the wrong number of values, or an id that came before.

    Args:
        source: Yields the records from a given one on; or its pieces.
        folder: Where to put the store.
        targets: The labels, in the order in which they are stored.
        provenance: Source, release, licence and citations, carried along.
        site_properties: Names of the site properties of atoms to store; others are left out.
        fingerprint: What identifies the source: its files' names, sizes and dates, or its query.
            An unfinished store of another source is begun anew.
        remarks: Returns what is to be said of the source, once it was read, for the manifest.
        label: What is done, for the progress.
        total: Number of records where known, for the progress.
        share: Returns which share of the source has been read, for a progress without ``total``.
        report: Receives progress.
        pool: Which processes read the pieces of a source that has pieces. The store is the
            same, byte for byte, however many they are.
        shard_size: Crystals per shard.

    Returns:
        What became of the records.

    Raises:
        DataError: No record could be used; the folder holds the store of another source, or other
            LMDB files; or another process is writing it.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    try:
        # Two processes would take up each other's unfinished shard.
        with FileLock(path / ".lock", timeout=0):
            if (path / INDEX_FILE).exists():
                done = read_manifest(path)
                if done is None or done.fingerprint != fingerprint:
                    raise DataError(
                        f"'{path}' holds the store of another source already; remove it, or name "
                        "another."
                    )
                tidy(path)  # in case the process was killed when all else was done
                return done
            layout = RecordLayout(tuple(targets), tuple(site_properties))
            with ResumableWriter(
                path, layout, provenance, fingerprint=fingerprint, shard_size=shard_size
            ) as writer:
                start = writer.tally.position
                meter = Meter(label, report, unit="crystals", total=total, done=start, share=share)
                if isinstance(source, ParallelSource):
                    with pool.start() as executor:
                        work = partial(prepare_piece, source.read, layout)
                        for records in executor.map(work, source.pieces(start)):
                            _store(writer, records, meter)
                else:
                    _store(writer, prepare(source(start), layout), meter)
                meter.finish()
                return _finish(writer, path, fingerprint, remarks)
    except Timeout:
        raise DataError(
            f"Another process is writing '{path}'; wait until it has finished."
        ) from None


def read_manifest(folder: str | Path) -> Manifest | None:
    """Return the manifest of a finished store; None where there is none."""
    path = Path(folder)
    data = read_object(path / MANIFEST) if (path / INDEX_FILE).exists() else None
    return None if data is None else Manifest(**data)


def from_iterable(factory: Callable[[], Iterable[Item]]) -> Source:
    """Make a source of something that can only be read from its beginning."""
    return lambda start: islice(factory(), start, None)


def fingerprint_of(paths: Iterable[Path], *details: object) -> str:
    """Return what identifies files: their names, sizes and times of change.

    Args:
        paths: Files; of a folder, all the files in it count.
        details: What else makes a difference, such as labels and units.
    """
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]
    # Not their content: reading terabytes again to learn that nothing has changed takes hours.
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((stats, details)).encode()).hexdigest()


def _store(writer: ResumableWriter, records: Iterable[Prepared], meter: Meter) -> None:
    """Write records, and count those that are rejected, here for an id that came before."""
    stream = iter(records)
    while chunk := list(islice(stream, CHUNK)):
        for record in chunk:
            if isinstance(record, Rejection):
                writer.tally.reject(record.id, record.reason, record.detail)
            else:
                try:
                    writer.add(record)
                except DataError as error:
                    writer.tally.reject(record.id, reason_of(error))
            writer.step()
        meter.add(len(chunk))


def _finish(
    writer: ResumableWriter, folder: Path, fingerprint: str, remarks: Callable[[], list[str]]
) -> Manifest:
    """Close the store and write its manifest; one without a crystal stays unfinished."""
    content_hash = writer.finish()
    tally = writer.tally
    rejected = dict(sorted(tally.rejected.items(), key=lambda item: -item[1]["count"]))
    if not tally.accepted and not rejected:
        raise DataError(
            "The source has no record, so that there is nothing to make a dataset of; check that "
            "the file is whole, and the one that you mean."
        )
    if not tally.accepted:
        reason, entry = next(iter(rejected.items()))
        raise DataError(
            f"None of the {tally.position:,} records can be used. {entry['count']:,} of them, "
            f"'{entry['examples'][0]}' for example, for this reason: {entry.get('detail', reason)}"
        )
    manifest = Manifest(
        records=tally.position,
        accepted=tally.accepted,
        rejected=rejected,
        atoms=tally.atoms,
        volume_per_atom=tally.volume_per_atom,
        fingerprint=fingerprint,
        content_hash=content_hash,
        remarks=remarks(),
    )
    write_json(folder / MANIFEST, asdict(manifest))
    # The index comes last: it is what makes the folder a store, whenever the process is killed.
    writer.publish(content_hash)
    return manifest
