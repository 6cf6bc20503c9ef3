"""From a stream of crystals to a store: checked, counted, and resumed after a kill.

A source is a function that yields its records from a given one on, always in the same order. What
it can't make a crystal of it yields as a :class:`Rejection`, so that nothing disappears: every
record ends up in the store, or in the manifest under a reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from matsciml_core.data._resumable import ResumableWriter, _read_json, tidy, write_json
from matsciml_core.data.fetch.progress import Meter, Report, silent
from matsciml_core.data.geometry import SHORTEST_DISTANCE, VOLUME_PER_ATOM, check_geometry
from matsciml_core.data.neighbours import find_edges
from matsciml_core.data.store import INDEX_FILE
from matsciml_core.errors import DataError, MatSciMLError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.registry.specs import TargetInfo

MANIFEST = "manifest.json"
_CHUNK = 256
"""Records that are checked together."""
_VARIABLE = re.compile(r"'[^']*'|\([^)]*\)|(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Rejection:
    """A record of a source that can't be used."""

    id: str
    """What it is called, as well as that can be told."""
    reason: str
    """Why; the same words for every record that has the same fault, since they are counted."""


Item = Crystal | Rejection
Source = Callable[[int], Iterable[Item]]
"""Yields the records of a source from the n-th on, each as a crystal or a rejection."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A foreign file, understood: what the function named in ``DatasetSpec.readers`` returns."""

    source: Source
    targets: Sequence[TargetInfo]
    provenance: Provenance
    fingerprint: str
    """Identifies the file; :func:`fingerprint_of` makes one."""
    summary: str
    """One line for ``matsciml list-plugins``."""
    total: int | None = None
    """Number of records, where known."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What became of a source; written beside the store as ``manifest.json``."""

    records: int
    """Records of the source."""
    accepted: int
    """Crystals in the store."""
    rejected: dict[str, dict[str, Any]]
    """Reason → ``count`` and ``examples``."""
    atoms: int
    volume_per_atom: list[float]
    """Smallest and largest, Å³."""
    fingerprint: str
    """What identified the source."""
    content_hash: str
    """Of the store."""


def ingest(
    source: Source,
    folder: str | Path,
    *,
    targets: Sequence[TargetInfo],
    provenance: Provenance,
    fingerprint: str = "",
    label: str = "crystals",
    total: int | None = None,
    report: Report = silent,
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
        source: Yields the records from a given one on.
        folder: Where to put the store.
        targets: The labels, in the order in which they are stored.
        provenance: Source, release, licence and citations, carried along.
        fingerprint: What identifies the source: its files' names, sizes and dates, or its query.
            An unfinished store of another source is begun anew.
        label: What is done, for the progress.
        total: Number of records where known, for the progress.
        report: Receives progress.
        shard_size: Crystals per shard.

    Returns:
        What became of the records.

    Raises:
        DataError: No record could be used; the folder holds the store of another source, or other
            LMDB files; or another process is writing it.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / ".lock", timeout=0):
            done = read_manifest(place)
            if (place / INDEX_FILE).exists():
                return _same(done, fingerprint, place)
            with ResumableWriter(
                place, targets, provenance, fingerprint=fingerprint, shard_size=shard_size
            ) as writer:
                meter = Meter(
                    label, report, unit="crystals", total=total, done=writer.tally.position
                )
                _write(writer, source, meter)
                return _finish(writer, place, fingerprint)
    except Timeout:
        raise DataError(
            f"Another process is writing '{place}'; wait until it has finished."
        ) from None


def read_manifest(folder: str | Path) -> Manifest | None:
    """Return the manifest of a finished store; None where there is none."""
    place = Path(folder)
    data = _read_json(place / MANIFEST) if (place / INDEX_FILE).exists() else None
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
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((stats, details)).encode()).hexdigest()


def reason_of(error: Exception) -> str:
    """Return what is wrong without what differs from record to record.

    >>> reason_of(ValueError("Crystal 'a-1' has atoms 0.32 Å apart."))
    "Crystal '…' has atoms … Å apart."
    """
    first = str(error).split("\n", 1)[0]
    return _VARIABLE.sub(lambda found: "'…'" if found[0].startswith("'") else "…", first)


def _write(writer: ResumableWriter, source: Source, meter: Meter) -> None:
    items = iter(source(writer.tally.position))
    while chunk := list(islice(items, _CHUNK)):
        for item in _checked(chunk):
            _store(writer, item)
            writer.step()
        meter.add(len(chunk))
    meter.finish()


def _store(writer: ResumableWriter, item: Item) -> None:
    if isinstance(item, Rejection):
        writer.tally.reject(item.id, item.reason)
        return
    try:
        writer.add(item)
    except DataError as error:
        writer.tally.reject(item.id, reason_of(error))


def _checked(chunk: Sequence[Item]) -> Iterator[Item]:
    """Yield the records in order, those with an implausible geometry or label as rejections."""
    crystals = [item for item in chunk if isinstance(item, Crystal)]
    suspects = _suspects(crystals)
    place = 0
    for item in chunk:
        if isinstance(item, Crystal):
            yield _examined(item) if suspects[place] else item
            place += 1
        else:
            yield item


def _examined(crystal: Crystal) -> Item:
    try:
        check_geometry(crystal)
    except MatSciMLError as error:
        return Rejection(crystal.id, reason_of(error))
    for name, value in crystal.labels.items():
        if value is not None and np.isinf(np.asarray(value, dtype=np.float64)).any():
            return Rejection(crystal.id, f"The label '{name}' is infinite.")
    return crystal


def _suspects(crystals: Sequence[Crystal]) -> list[bool]:
    """Mark the crystals to look at closely: one search for all is ten times faster than each."""
    if not crystals:
        return []
    counts = np.array([crystal.num_atoms for crystal in crystals])
    volumes = np.array([crystal.volume for crystal in crystals]) / counts
    low, high = VOLUME_PER_ATOM
    marked = (volumes < low) | (volumes > high)
    marked |= np.array([_has_infinite_label(crystal) for crystal in crystals])
    try:
        edges, _ = find_edges(
            np.concatenate([crystal.positions for crystal in crystals]),
            np.stack([crystal.cell for crystal in crystals]),
            np.stack([crystal.pbc for crystal in crystals]),
            counts,
            Neighbourhood(cutoff=SHORTEST_DISTANCE),
        )
    except MatSciMLError:
        return [True] * len(crystals)
    marked[np.repeat(np.arange(len(crystals)), counts)[edges[1]]] = True
    return [bool(mark) for mark in marked]


def _has_infinite_label(crystal: Crystal) -> bool:
    return any(
        value is not None and bool(np.isinf(np.asarray(value, dtype=np.float64)).any())
        for value in crystal.labels.values()
    )


def _finish(writer: ResumableWriter, folder: Path, fingerprint: str) -> Manifest:
    content_hash = writer.finish()
    tally = writer.tally
    manifest = Manifest(
        records=tally.position,
        accepted=tally.accepted,
        rejected=dict(sorted(tally.rejected.items(), key=lambda item: -item[1]["count"])),
        atoms=tally.atoms,
        volume_per_atom=tally.volume_per_atom,
        fingerprint=fingerprint,
        content_hash=content_hash,
    )
    if not tally.accepted:
        reason = next(iter(manifest.rejected), "the source is empty")
        raise DataError(
            f"None of the {tally.position} records can be used; most common reason: {reason}"
        )
    write_json(folder / MANIFEST, asdict(manifest))
    writer.publish(content_hash)
    return manifest


def _same(done: Manifest | None, fingerprint: str, folder: Path) -> Manifest:
    if done is None or done.fingerprint != fingerprint:
        raise DataError(
            f"'{folder}' holds the store of another source already; remove it, or name another."
        )
    tidy(folder)  # in case the process was killed when all else was done
    return done
