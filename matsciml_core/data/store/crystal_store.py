"""The store: crystals in LMDB without pickle, decoded straight into batches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from operator import index as as_index
from pathlib import Path
from threading import Lock, get_ident
from types import TracebackType
from typing import Any, Self

import lmdb
import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.store.record_layout import RecordLayout
from matsciml_core.data.store.shards import put_all, shard_entry, shard_name
from matsciml_core.errors import DataError
from matsciml_core.files import write_json
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.specs import Reference
from matsciml_core.registry.targets import TargetInfo

FORMAT = "matsciml-store"
VERSION = 2
"""The newest version of the format; a store without site properties is one of version 1."""
META_KEY = b"__meta__"
INDEX_FILE = "index.json"
_KEYS = {"version", "shards", "meta"}
_Reader = Callable[[bytes], bytes | None]
_TRANSACTION = 1000
"""Crystals per write transaction."""


class CrystalStore:
    """Reads a store: a folder with ``index.json`` and LMDB shards.

    The environment is opened on first use, once per process, so that the object can be sent to
    worker processes under ``fork`` and ``spawn``. Records are raw arrays; nothing in a store can
    execute code.

    Raises:
        DataError: The folder is no store, or one of a later version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the index; the shards are opened later."""
        self.folder = Path(folder)
        index = _read_index(self.folder)
        self.meta: Mapping[str, Any] = index["meta"]
        self.targets = {info["name"]: TargetInfo.from_data(info) for info in self.meta["targets"]}
        self.provenance = _provenance(self.meta)
        self._layout = RecordLayout(
            tuple(self.targets.values()), tuple(self.meta.get("site_properties", ()))
        )
        self._shards = [
            (str((self.folder / shard["file"]).resolve()), shard["bytes"])
            for shard in index["shards"]
        ]
        self.symmetry: Mapping[str, Any] | None = index.get("symmetry")
        """What the index says about stored symmetry, see ``stored_symmetry``; None: none."""
        self._ends = list(accumulate(shard["count"] for shard in index["shards"]))
        self._readers: dict[tuple[int, int], list[_Reader | None]] = {}
        """What reads each shard, by process and thread: a transaction belongs to one of each."""

    def __len__(self) -> int:
        """Return the number of crystals."""
        return self._ends[-1] if self._ends else 0

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> CrystalBatch:
        """Return several crystals as one float64 batch without edges, in the order asked for.

        Args:
            indices: Indices of crystals, at least one, each in [0, len), ``(crystals,)``,
                dimensionless.

        Returns:
            The batch.

        Raises:
            IndexError: An index is out of range, or there is none.
            DataError: A shard is missing or damaged.
        """
        plain = indices.tolist() if isinstance(indices, np.ndarray) else indices
        wanted = list(map(as_index, plain))
        if not wanted or min(wanted) < 0 or max(wanted) >= len(self):
            raise IndexError(f"Indices must be one or more numbers in [0, {len(self)}).")
        return self._layout.decode(self._values(wanted))

    def scan(self, chunk: int = 4096) -> Iterator[CrystalBatch]:
        """Yield the whole store, in order, in batches of at most ``chunk`` crystals."""
        for first in range(0, len(self), chunk):
            yield self.read(np.arange(first, min(first + chunk, len(self))))

    def verify(self) -> None:
        """Check every record against the content hash.

        Raises:
            DataError: A record differs from what was written.
        """
        digest = hashlib.sha256()
        for first in range(0, len(self), _TRANSACTION):
            block = range(first, min(first + _TRANSACTION, len(self)))
            for value in self._values(block):
                digest.update(value)
        if digest.hexdigest() != self.meta["content_hash"]:
            raise DataError(
                f"The store '{self.folder}' is damaged: its records do not match the content "
                "hash in its index; fetch or build it again."
            )

    def _values(self, indices: Sequence[int]) -> list[bytes]:
        """Return the raw records."""
        keys = [index.to_bytes(8, "big") for index in indices]
        try:
            values = self._get(indices, keys)
        except lmdb.Error:  # a shard was replaced, and the new one opened by another store
            self._readers.clear()
            values = self._get(indices, keys)
        if None in values:
            missing = indices[values.index(None)]
            shard, _ = self._shards[bisect_right(self._ends, missing)]
            raise DataError(
                f"Crystal {missing} is missing from '{shard}'; the store is "
                "damaged, fetch or build it again."
            )
        return values

    def _get(self, indices: Sequence[int], keys: Sequence[bytes]) -> list[Any]:
        """Return the records of keys; None where there is none."""
        here = os.getpid(), get_ident()
        readers = self._readers.setdefault(here, [None] * len(self._shards))
        if len(readers) == 1:
            return list(map(readers[0] or self._open(0, readers), keys))
        shards = [bisect_right(self._ends, index) for index in indices]
        return [
            (readers[shard] or self._open(shard, readers))(key)
            for shard, key in zip(shards, keys, strict=True)
        ]

    def _open(self, shard: int, readers: list[_Reader | None]) -> _Reader:
        """Return what reads a shard, from a transaction that stays open: nobody writes to it."""
        with _OPENING:
            reader: _Reader = _environment(*self._shards[shard]).begin().get
        readers[shard] = reader
        return reader

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process."""
        return {**self.__dict__, "_readers": {}}


class CrystalStoreWriter:
    """Writes a store; use it as a context manager.

    Crystals go into shards of bounded size, in transactions of bounded size, so memory stays
    flat. The index is written last: a folder without it is an unfinished store.

    Args:
        folder: Where to put the store; must not hold one yet.
        targets: The labels, in the order in which they are stored.
        provenance: Source, release, licence and citations, carried along.
        site_properties: Names of the site properties of atoms to store; others are left out.
        shard_size: Crystals per shard.

    Raises:
        DataError: The folder holds a store already.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        targets: Sequence[TargetInfo],
        provenance: Provenance,
        *,
        site_properties: Sequence[str] = (),
        shard_size: int = 50_000,
    ) -> None:
        """Create the folder."""
        self.folder = Path(folder)
        if (self.folder / INDEX_FILE).exists():
            raise DataError(f"'{self.folder}' holds a store already; remove it or name another.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._provenance = provenance
        self._layout = RecordLayout(tuple(targets), tuple(site_properties))
        self._shard_size = shard_size
        self._digest = hashlib.sha256()
        self._pending: list[tuple[bytes, bytes]] = []
        self._counts: list[int] = []
        self._environment: lmdb.Environment | None = None
        self._total = 0

    def __enter__(self) -> Self:
        """Start writing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the store, or leave it without an index where an error occurred."""
        if kind is None:
            self.finish()
        elif self._environment is not None:
            self._environment.close()

    def __len__(self) -> int:
        """Return the number of crystals written."""
        return self._total

    def add(self, crystal: Crystal) -> None:
        """Append one crystal."""
        record = self._layout.encode(crystal)
        self._digest.update(record)
        self._pending.append((self._total.to_bytes(8, "big"), record))
        self._total += 1
        if len(self._pending) == _TRANSACTION or self._total % self._shard_size == 0:
            self._flush()
        if self._total % self._shard_size == 0:
            self._close_shard()

    def finish(self) -> None:
        """Write what is pending, compact the last shard, and write the index."""
        self._flush()
        self._close_shard()
        meta = self._meta()
        shards = [shard_entry(self.folder, *found) for found in enumerate(self._counts)]
        version = meta["schema_version"]
        index = {"format": FORMAT, "version": version, "shards": shards, "meta": meta}
        write_json(self.folder / INDEX_FILE, index)

    def _meta(self) -> dict[str, Any]:
        meta = describe_content(self._layout, self._provenance, self._total)
        return {**meta, "content_hash": self._digest.hexdigest()}

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._environment is None:
            self._counts.append(0)
            self._environment = _open_for_writing(self.folder / "shard.part")
        put_all(self._environment, self._pending)
        self._counts[-1] += len(self._pending)
        self._pending.clear()

    def _close_shard(self) -> None:
        """Compact the open shard into its final file."""
        if self._environment is None:
            return
        meta = {"shard": len(self._counts) - 1, **self._meta()}
        meta.pop("content_hash")  # known only once the last shard is written
        put_all(self._environment, [(META_KEY, json.dumps(meta).encode())])
        final = self.folder / shard_name(len(self._counts) - 1)
        final.unlink(missing_ok=True)
        self._environment.copy(str(final), compact=True)
        self._environment.close()
        self._environment = None
        for leftover in self.folder.glob("shard.part*"):
            leftover.unlink()


def describe_content(layout: RecordLayout, provenance: Provenance, count: int) -> dict[str, Any]:
    """Return what the index says about the content, without its hash.

    Args:
        layout: Labels and site properties.
        provenance: Source, release, licence and citations.
        count: Number of crystals.
    """
    meta: dict[str, Any] = {
        "schema_version": VERSION if layout.site_properties else 1,
        "count": count,
        "targets": [info.as_data() for info in layout.targets],
        **asdict(provenance),
    }
    if layout.site_properties:
        meta["site_properties"] = list(layout.site_properties)
    del meta["content_hash"]
    return meta


def remove_store(folder: str | os.PathLike[str]) -> None:
    """Remove a store's folder; it may be unfinished or absent."""
    shutil.rmtree(folder, ignore_errors=True)


def _open_for_writing(path: Path) -> lmdb.Environment:
    path.unlink(missing_ok=True)
    return lmdb.open(str(path), subdir=False, map_size=1 << 26, lock=False, sync=False, **ENGINE)


ENGINE: dict[str, Any] = {"lib_version": 0} if int(lmdb.__version__.split(".")[0]) >= 3 else {}
"""Argument by which lmdb 3 writes files that lmdb 1 and 2 read too, whatever the environment
variable ``LMDB_DEFAULT_LIB_VERSION`` says."""
_OPEN: dict[str, tuple[tuple[int, int], lmdb.Environment]] = {}
"""Open environments by path, each with its process and inode: LMDB forbids opening a file twice in
one process, and an environment is of no use in another process or once its file was replaced."""
_OPENING = Lock()
"""Held while ``_OPEN`` is read and changed: ``lmdb.open`` lets other threads run before it is done,
which would open the same file a second time."""
if hasattr(os, "register_at_fork"):  # a child forked while a thread opens a file must not wait
    os.register_at_fork(
        before=_OPENING.acquire,
        after_in_parent=_OPENING.release,
        after_in_child=_OPENING.release,
    )


def _environment(path: str, size: int) -> lmdb.Environment:
    """Return this process's environment for a shard, opening it on first use.

    The caller holds ``_OPENING``. The size is compared with the index, because reading past the end
    of a mapped file would end the process instead of raising an error.
    """
    try:
        status = os.stat(path)
        identity = (os.getpid(), status.st_ino)
        if path in _OPEN:
            known, environment = _OPEN[path]
            if known == identity:
                return environment
            environment.close()  # where it came by fork, the parent's stays open
            del _OPEN[path]
        if status.st_size != size:
            raise OSError(f"it has {status.st_size} bytes instead of {size}")
        environment = lmdb.open(
            path, subdir=False, readonly=True, lock=False, readahead=False, max_dbs=0
        )
    except (OSError, lmdb.Error) as error:
        raise DataError(
            f"'{path}' cannot be read ({error}); the store is damaged or incomplete, fetch or "
            "build it again."
        ) from error
    _OPEN[path] = (identity, environment)
    return environment


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = read_json(folder / INDEX_FILE)
    except FileNotFoundError as error:
        raise DataError(
            f"'{folder}' holds no store: '{INDEX_FILE}' is missing; name the folder of a finished "
            "store."
        ) from error
    except ValueError as error:
        raise DataError(
            f"'{folder / INDEX_FILE}' is not valid JSON; the store is damaged."
        ) from error
    if not isinstance(index, dict) or index.get("format") != FORMAT or not index.keys() >= _KEYS:
        raise DataError(f"'{folder / INDEX_FILE}' does not describe a MatSciML store.")
    if index["version"] > VERSION:
        raise DataError(
            f"The store '{folder}' has version {index['version']}, this release reads up to "
            f"{VERSION}; upgrade matsciml."
        )
    return index


def _provenance(meta: Mapping[str, Any]) -> Provenance:
    return Provenance(
        source=meta["source"],
        release=meta["release"],
        licence=meta["licence"],
        references=tuple(Reference(**reference) for reference in meta["references"]),
        content_hash=meta["content_hash"],
    )
