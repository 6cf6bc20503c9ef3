"""Writing a store so that the process may be killed at any moment.

What was consumed of the source is noted in the same LMDB transaction as the crystals that came of
it, so the two can't disagree. While a store is being written its folder holds

``ingest.json``
    crystals of each finished shard, and the tally when the last of them was finished, or when
    the finishing of the next one began;
``shard.part``
    the open shard, with the tally after its last transaction;
``ids.part``
    the ids seen so far, so that one that comes twice is noticed without holding all in memory.

A shard is finished in an order that can be cut anywhere and repeated: note in ``ingest.json``,
compact copy, rename, note in ``ingest.json``, removal of ``shard.part``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import lmdb

from matsciml_core.data.store.crystal_store import (
    ENGINE,
    FORMAT,
    INDEX_FILE,
    META_KEY,
    VERSION,
    describe_content,
)
from matsciml_core.data.store.record_layout import RecordLayout
from matsciml_core.data.store.shards import put_all, shard_entry, shard_name
from matsciml_core.errors import DataError
from matsciml_core.files import read_object, refuse_links, write_json
from matsciml_core.guarded import parse_json
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance

TRANSACTION = 1000
"""Records of the source per transaction: what a kill costs at most."""
_EXAMPLES = 5
"""Rejected records that are named for each reason."""
_TALLY_KEY = b"__tally__"
_JOURNAL = "ingest.json"
_OPEN_SHARD = "shard.part"
_IDS = "ids.part"


@dataclass
class Tally:
    """What has been consumed of the source, and what became of it."""

    position: int = 0
    """Records of the source that were consumed."""
    accepted: int = 0
    atoms: int = 0
    """Atoms of the accepted crystals."""
    shard: int = 0
    """Number of the shard that is open."""
    volume_per_atom: list[float] = field(default_factory=list)
    """Smallest and largest of the accepted crystals, Å³."""
    rejected: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Reason → ``count``, ``examples`` (ids), and ``detail``: the reason with the numbers of the
    first record."""

    def accept(self, atoms: int, volume: float) -> None:
        """Count a crystal of so many atoms, with so much volume per atom, Å³."""
        self.accepted += 1
        self.atoms += atoms
        self.volume_per_atom = [
            min([volume, *self.volume_per_atom[:1]]),
            max([volume, *self.volume_per_atom[1:]]),
        ]

    def reject(self, name: str, reason: str, detail: str = "") -> None:
        """Count a record that is left out."""
        first = {"count": 0, "examples": [], "detail": detail or reason}
        entry = self.rejected.setdefault(reason, first)
        entry["count"] += 1
        if len(entry["examples"]) < _EXAMPLES:
            entry["examples"].append(name)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A crystal, ready to be written."""

    id: str
    record: bytes
    atoms: int
    volume_per_atom: float
    """Å³."""

    @classmethod
    def of(cls, crystal: Crystal, layout: RecordLayout) -> Self:
        """Encode a crystal.

        Raises:
            DataError: A label has the wrong number of values.
        """
        atoms = crystal.num_atoms
        return cls(crystal.id, layout.encode(crystal), atoms, crystal.volume / atoms)


class ResumableWriter:
    """Writes a store; takes up what an earlier process left in the folder.

    Args:
        folder: The store's folder; made where it is missing.
        layout: Labels and site properties.
        provenance: Source, release, licence and citations.
        fingerprint: What identifies the source; an unfinished store of another source, or with
            other labels, is begun anew.
        shard_size: Crystals per shard.

    Raises:
        DataError: The folder holds LMDB files of something else, or a shard is damaged.
    """

    def __init__(
        self,
        folder: Path,
        layout: RecordLayout,
        provenance: Provenance,
        *,
        fingerprint: str,
        shard_size: int,
    ) -> None:
        """Find out what there is."""
        self.folder, self.tally = folder, Tally()
        self._layout, self._provenance = layout, provenance
        self._shard_size = shard_size
        self._counts: list[int] = []
        self._digest = hashlib.sha256()
        self._pending: list[tuple[bytes, bytes]] = []
        self._pending_ids: set[bytes] = set()
        self._noted = 0
        self._shard: lmdb.Environment | None = None
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)  # LMDB opens files by name, and would follow them
        self._identity = _identity(fingerprint, layout, shard_size)
        _remove(folder / _IDS)
        self._ids = lmdb.open(str(folder / _IDS), subdir=False, lock=False, sync=False)
        try:
            self._recover()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        """Write within a ``with`` statement."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files; what is unfinished stays for the next attempt."""
        self._ids.close()
        if self._shard is not None:
            self._shard.close()

    def add(self, crystal: Encoded) -> None:
        """Append a crystal.

        Raises:
            DataError: Its id came before.
        """
        key = _id_key(crystal.id.encode())
        if self._is_known(key):
            raise DataError("The id was used before.")
        self._pending_ids.add(key)
        self._digest.update(crystal.record)
        self._pending.append((self.tally.accepted.to_bytes(8, "big"), crystal.record))
        self.tally.accept(crystal.atoms, crystal.volume_per_atom)

    def step(self) -> None:
        """Note that one more record of the source was dealt with."""
        self.tally.position += 1
        full = sum(self._counts) + self._shard_size == self.tally.accepted
        if full or self.tally.position - self._noted >= TRANSACTION:
            self._commit()
        if full:
            self._finish_shard()

    def finish(self) -> str:
        """Finish the store, and return its content hash."""
        self._commit()
        if self._shard is not None and self.tally.accepted > sum(self._counts):
            self._finish_shard()
        return self._digest.hexdigest()

    def publish(self, content_hash: str) -> None:
        """Write the index, which makes the folder a store, and remove what is not part of it."""
        index = {
            "format": FORMAT,
            "version": self._meta()["schema_version"],
            "shards": [shard_entry(self.folder, *found) for found in enumerate(self._counts)],
            "meta": self._meta() | {"content_hash": content_hash},
        }
        write_json(self.folder / INDEX_FILE, index)
        self._ids.close()
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        tidy(self.folder)

    def _recover(self) -> None:
        journal = read_object(self.folder / _JOURNAL)
        if journal is None and any(self._leftovers()):
            raise DataError(
                f"'{self.folder}' holds LMDB files that do not belong to an unfinished store; name "
                "an empty folder."
            )
        if journal is None or journal["identity"] != self._identity:
            for path in self._leftovers():  # of another attempt
                _remove(path)
            self._write_journal()
            return
        self._counts = journal["shards"]
        self.tally = Tally(**journal["tally"])
        for number in range(len(self._counts)):
            self._learn(self.folder / shard_name(number))
        self._recover_open_shard(journal["closing"])
        self._noted = self.tally.position

    def _recover_open_shard(self, closing: dict[str, Any] | None) -> None:
        path = self.folder / _OPEN_SHARD
        if not path.exists():
            return
        self._shard = _open(path)
        with self._shard.begin() as transaction:
            text = transaction.get(_TALLY_KEY)
        noted = closing if text is None else parse_json(bytes(text))
        tally = None if noted is None else Tally(**noted)
        if tally is None or tally.shard != len(self._counts):
            self._close_open_shard()  # nothing was committed, or it was finished already
            return
        self.tally = tally
        self._learn(path, self._shard)
        if text is None:
            self._finish_shard()

    def _learn(self, path: Path, environment: lmdb.Environment | None = None) -> None:
        """Read the records of a shard again, for the content hash and the ids."""
        opened = _open(path, readonly=True) if environment is None else environment
        keys: list[tuple[bytes, bytes]] = []
        try:
            for record in _records(opened):
                self._digest.update(record)
                keys.append((_id_key(_id_of(record)), b""))
                if len(keys) == TRANSACTION:
                    put_all(self._ids, keys)
                    keys.clear()
        finally:
            if environment is None:
                opened.close()
        put_all(self._ids, keys)

    def _is_known(self, key: bytes) -> bool:
        if key in self._pending_ids:
            return True
        with self._ids.begin() as transaction:
            return transaction.get(key) is not None

    def _commit(self) -> None:
        """Write pending crystals together with the tally."""
        if self._noted == self.tally.position:
            return
        if self._shard is None:
            self._shard = _open(self.folder / _OPEN_SHARD)
        tally = json.dumps(asdict(self.tally)).encode()
        put_all(self._shard, [*self._pending, (_TALLY_KEY, tally)])
        put_all(self._ids, [(key, b"") for key in self._pending_ids])
        self._pending.clear()
        self._pending_ids.clear()
        self._noted = self.tally.position

    def _finish_shard(self) -> None:
        shard = self._shard
        if shard is None:
            return
        number = len(self._counts)
        count = self.tally.accepted - sum(self._counts)
        self._write_journal(closing=asdict(self.tally))
        with shard.begin(write=True) as transaction:
            transaction.delete(_TALLY_KEY)  # from here on, the journal has it
        put_all(shard, [(META_KEY, json.dumps({"shard": number, **self._meta()}).encode())])
        final = self.folder / shard_name(number)
        part = final.with_name(f"{final.name}.part")
        _remove(part)
        shard.copy(str(part), compact=True)
        os.replace(part, final)
        self._counts.append(count)
        self.tally.shard = len(self._counts)
        self._write_journal()
        self._close_open_shard()

    def _close_open_shard(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        _remove(self.folder / _OPEN_SHARD)

    def _leftovers(self) -> list[Path]:
        return [*self.folder.glob("[0-9]*.lmdb*"), *self.folder.glob(_OPEN_SHARD)]

    def _write_journal(self, closing: dict[str, Any] | None = None) -> None:
        data = {"identity": self._identity, "shards": self._counts, "tally": asdict(self.tally)}
        write_json(self.folder / _JOURNAL, {**data, "closing": closing})

    def _meta(self) -> dict[str, Any]:
        return describe_content(self._layout, self._provenance, self.tally.accepted)


def tidy(folder: Path) -> None:
    """Remove what a finished store does not need."""
    for name in (_JOURNAL, _OPEN_SHARD, _IDS):
        _remove(folder / name)


def _identity(fingerprint: str, layout: RecordLayout, shard_size: int) -> str:
    targets = [info.as_data() for info in layout.targets]
    parts = [fingerprint, VERSION, shard_size, targets, layout.site_properties]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _open(path: Path, *, readonly: bool = False) -> lmdb.Environment:
    try:
        return lmdb.open(
            str(path), subdir=False, lock=False, readonly=readonly, map_size=1 << 26, **ENGINE
        )
    except lmdb.Error as error:
        raise DataError(
            f"'{path}' cannot be read ({error}); remove '{path.parent}' and begin anew."
        ) from error


def _records(environment: lmdb.Environment) -> Iterator[bytes]:
    """Yield the crystals' records of a shard, in order."""
    with environment.begin() as transaction, transaction.cursor() as cursor:
        for key, value in cursor:
            if key not in (META_KEY, _TALLY_KEY):
                yield value


def _id_of(record: bytes) -> bytes:
    """Return the id at the end of a record, see ``record_layout``."""
    length = int.from_bytes(record[4:8], "little")
    first = len(record) - ((length + 7) & -8)
    return record[first : first + length]


def _id_key(name: bytes) -> bytes:
    return hashlib.blake2b(name, digest_size=16).digest()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
