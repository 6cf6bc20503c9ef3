"""Systems of IS2RE: from the published LMDBs of pickled graphs to crystals.

The pickles hold objects of PyTorch Geometric 1. They are taken for the plain arrays in them, and
whatever else they ask for is an error.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data.ingestion.conversion import Item, Rejection
from matsciml_core.errors import DataError
from matsciml_core.files import open_whole, read_object, write_json
from matsciml_data_ocp.s2ef import LARGEST_ENERGY, LARGEST_FORCE
from matsciml_util_sources.download import identity_of
from matsciml_util_toolkit_lmdb.conversion import reject_unusable
from matsciml_util_toolkit_lmdb.records import count_records, raw_records
from matsciml_util_toolkit_lmdb.whitelist_pickle import InertObject, load_plain

_INERT = ("torch_geometric",)
"""Packages whose objects are taken for what is in them."""
_PIECE = 128
"""Records in a piece; one has about 160 kB, most of it edges that are not used."""
_RESERVE = 1 << 30
"""Bytes that unpacking leaves free on the disk."""
_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Records:
    """Some records; carries their bytes to wherever they are read."""

    subset: str
    """What the ids begin with."""
    where: str
    """The file, for messages."""
    records: tuple[tuple[str, bytes], ...]
    """Key and pickle of each."""


def count(path: Path, limit: int | None = None) -> int:
    """Return the number of records to read of a file.

    Args:
        path: The LMDB file.
        limit: Most records; None: all.
    """
    total = count_records([path])
    return total if limit is None else min(total, limit)


def pieces(
    subset: str, path: Path, start: int = 0, limit: int | None = None
) -> Iterator[tuple[Records, int]]:
    """Yield the records of a file from an index on, some at a time, each with an offset of 0.

    Args:
        subset: What the ids begin with.
        path: The LMDB file.
        start: Index of the first record to yield.
        limit: Most records of the file; None: all.
    """
    records = islice(raw_records(path, start=start), max(0, count(path, limit) - start))
    while chunk := tuple(islice(records, _PIECE)):
        yield Records(subset=subset, where=path.name, records=chunk), 0


def read_relaxations(piece: Records) -> Iterator[Item]:
    """Yield the initial structures with the energies of their relaxations.

    Args:
        piece: Records of IS2RE.

    Raises:
        DataError: A record asks for more than plain data, or is damaged.
    """
    for key, fields in _plain(piece):
        name = f"{piece.subset}/random{_system(fields, key)}"
        yield relaxation_of(name, fields)


def read_frames(piece: Records) -> Iterator[Item]:
    """Yield frames of S2EF, as OCP packed them.

    Args:
        piece: Records of S2EF.

    Raises:
        DataError: A record asks for more than plain data, or is damaged.
    """
    for key, fields in _plain(piece):
        frame = _integer(fields.get("fid", key), key)
        yield frame_of(f"{piece.subset}/random{_system(fields, key)}/frame{frame}", fields)


@reject_unusable
def relaxation_of(name: str, fields: Mapping[str, Any]) -> Item:
    """Return a record of IS2RE as a crystal, or why it can't be one.

    Args:
        name: Its id.
        fields: What the record holds.
    """
    relaxed, initial = fields.get("y_relaxed"), fields.get("y_init")
    if relaxed is None:
        return Rejection(name, "The record has no relaxed energy; that of the test set has none.")
    energy = _scalar(relaxed)
    if not abs(energy) <= LARGEST_ENERGY:
        return Rejection(name, f"The adsorption energy is beyond {LARGEST_ENERGY:g} eV.")
    labels = {"energy_relaxed": energy}
    if initial is not None:
        labels["energy_initial"] = _scalar(initial)
    return _crystal(name, fields, labels)


@reject_unusable
def frame_of(name: str, fields: Mapping[str, Any]) -> Item:
    """Return a record of S2EF as a crystal, or why it can't be one.

    Args:
        name: Its id.
        fields: What the record holds.
    """
    energy, forces = _scalar(fields["y"]), np.asarray(fields["force"], np.float64)
    if not abs(energy) <= LARGEST_ENERGY:
        return Rejection(
            name,
            f"The energy is beyond {LARGEST_ENERGY:g} eV, so it is a total energy; OCP writes "
            "adsorption energies only where it is told to subtract references.",
        )
    # Fixed atoms feel what holds them in place, which may be anything.
    free = np.asarray(fields["fixed"]) == 0
    if np.abs(forces[free]).max(initial=0.0) > LARGEST_FORCE:
        return Rejection(name, f"A force on a free atom is beyond {LARGEST_FORCE:g} eV/Å.")
    return _crystal(name, fields, {"energy": energy, "forces": forces})


def unpack(archive: Path, members: Mapping[str, Path]) -> None:
    """Unpack some files of a packed tar archive; those unpacked from it before are left.

    Args:
        archive: The ``.tar.gz``.
        members: How the path of a member ends → where to put it.

    Raises:
        DataError: A member is missing, the archive is damaged, or the disk is too full.
    """
    origin = identity_of(archive)
    missing = {end: path for end, path in members.items() if not _is_from(path, origin)}
    try:
        # A stream: seeking back in a packed file would unpack it from its beginning again.
        with tarfile.open(archive, "r|gz") as stream:
            while missing and (member := stream.next()) is not None:
                name = f"/{member.name}"
                end = next((end for end in missing if name.endswith(f"/{end}")), None)
                if end is not None and member.isfile():
                    path = missing.pop(end)
                    _unpack_member(stream, member, path)
                    write_json(_note(path), {"origin": origin, "size": member.size})
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(
            f"'{archive}' cannot be unpacked ({error}); if the disk is full, free some space, else "
            "remove the archive and fetch it again."
        ) from error
    if missing:
        raise DataError(
            f"'{archive}' has no member '{next(iter(missing))}'; it is not the archive that was "
            "published."
        )


def remove_unpacked(path: Path) -> None:
    """Remove an unpacked file, and what was noted about it."""
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _is_from(path: Path, origin: Mapping[str, Any]) -> bool:
    """Return whether a file is whole and from an archive, not from one that was there before it."""
    noted = {"origin": origin, "size": path.stat().st_size} if path.is_file() else None
    return noted is not None and read_object(_note(path)) == noted


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.unpacked.json")


def _unpack_member(stream: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Unpack a file under a temporary name, so that a whole file is always a finished one."""
    free = shutil.disk_usage(path.parent).free
    if member.size + _RESERVE > free:
        raise DataError(
            f"'{path.parent}' has {free / 1e9:.0f} GB free, but '{member.name}' unpacks to "
            f"{member.size / 1e9:.0f} GB; free some space, or choose another folder with --to."
        )
    source = stream.extractfile(member)
    if source is None:
        raise DataError(f"'{member.name}' is no file; the archive is not the published one.")
    with open_whole(path) as target:
        shutil.copyfileobj(source, target, _BLOCK)


def _plain(piece: Records) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield key and fields of each record."""
    for key, data in piece.records:
        record = load_plain(data, inert=_INERT, where=f"Record {key} of '{piece.where}'")
        yield key, _fields(record)


def _fields(record: Any) -> Mapping[str, Any]:
    """Return what a graph of PyTorch Geometric holds; that of release 2 nests it."""
    if isinstance(record, InertObject):
        state = record.state
        store = state.get("_store") if isinstance(state, dict) else None
        if isinstance(store, InertObject):
            return _fields(store.state.get("_mapping"))
        return _fields(state)
    return record if isinstance(record, dict) else {}


def _crystal(name: str, fields: Mapping[str, Any], labels: Mapping[str, Any]) -> Crystal:
    """Return the structure of a record; numbers of atoms and tags are floats in the files."""
    return Crystal(
        id=name,
        atomic_numbers=np.asarray(fields["atomic_numbers"]).astype(np.int64),
        positions=np.asarray(fields["pos"], np.float64),
        cell=np.asarray(fields["cell"], np.float64).reshape(3, 3),
        labels=labels,
        site_properties={
            "fixed": np.asarray(fields["fixed"]) != 0,
            "tags": np.asarray(fields["tags"]).astype(np.uint8),
        },
    )


def _system(fields: Mapping[str, Any], key: str) -> str:
    """Return the number of the system, by which the two datasets are linked."""
    return _integer(fields.get("sid", key), key)


def _integer(value: Any, otherwise: str) -> str:
    """Return a number of a record as text, for its id; releases differ in how they keep it."""
    try:
        return str(int(np.asarray(value).item()))
    except (TypeError, ValueError):
        return otherwise


def _scalar(value: Any) -> float:
    return float(np.asarray(value).item())
