"""Frames of S2EF: from the published pairs of ``N.extxyz.xz`` and ``N.txt.xz`` to crystals.

A frame holds the total energy; line n of the second file holds system, frame and reference energy
of frame n of the first. The two are read together, so that no total energy gets any further.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data.ingestion.conversion import Item, Rejection, reason_of
from matsciml_core.data.readers.extxyz import (
    SPECIES,
    Readable,
    XYZFrame,
    read_extended_xyz,
)
from matsciml_core.errors import DataError, MatSciMLError

LARGEST_ENERGY = 10.0
"""Adsorption energies beyond this, eV, were removed before publication; total energies are
hundreds of eV away from it."""
LARGEST_FORCE = 50.0
"""Likewise components of forces on free atoms, eV/Å."""
SITE_PROPERTIES = ("fixed", "tags")
"""Of atoms: held in place; 0 below the surface, 1 at the surface, 2 of the adsorbate."""
MISSING = "The frame is missing: its file ends, or is broken, before it."
_MEMBER = re.compile(r"(.*/)?(\d+)\.(extxyz|txt)(?:\.xz)?")
_LONGEST_LIST = 1 << 28
"""Bytes; lists of systems have some hundred thousand."""
_File = TypeVar("_File")

Pair = tuple[str, Callable[[], bytes], bytes]
"""Name of the file with the frames, what reads it, and the unpacked list."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A pair of files with some thousand frames; carries its bytes to wherever it is read."""

    subset: str
    """What the ids begin with."""
    name: str
    """Of the file with the frames."""
    frames: bytes
    """Extended XYZ, packed where the name ends in ``.xz``."""
    systems: tuple[str, ...]
    """Lines of the list, for as many frames as are wanted."""
    whole: bool
    """Whether all are."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The pairs of files of one subset."""

    name: str
    pairs: Callable[[], Iterable[Pair]]
    """Yields them in numerical order, and fetches them first where need be."""
    limit: int | None = None
    """Frames that are wanted; None: all."""


def shards(subsets: Iterable[Subset], start: int) -> Iterator[tuple[Shard, int]]:
    """Yield the shards with the frames from an index on, and how many of each come before it.

    Args:
        subsets: One after the other.
        start: Index of the first frame to yield.
    """
    for subset in subsets:
        left = subset.limit
        for name, read, listed in subset.pairs():
            lines = listed.decode("utf-8", errors="replace").splitlines()
            systems = tuple(lines[:left])
            left = None if left is None else left - len(systems)
            if start < len(systems):
                whole = len(systems) == len(lines)
                shard = Shard(
                    subset=subset.name, name=name, frames=read(), systems=systems, whole=whole
                )
                yield shard, start
            start = max(0, start - len(systems))
            if left == 0:
                break


def read_shard(shard: Shard) -> Iterator[Item]:
    """Yield one item for each line of a shard's list.

    Args:
        shard: The files.

    Raises:
        DataError: The file is damaged, or holds more frames than its list has lines, so that the
            reference energies cannot be told apart.
    """
    frames = _frames(shard)
    for line in shard.systems:
        yield _item(shard.subset, line, next(frames, None))
    if shard.whole and next(frames, None) is not None:
        raise DataError(
            f"'{shard.name}' holds more frames than its list has lines, so that reference energies "
            "are uncertain; remove the archive and fetch it again."
        )


def pairs_of_archive(path: Path) -> Iterator[Pair]:
    """Yield the pairs of files in a tar archive, which is not unpacked.

    Args:
        path: The archive.

    Raises:
        DataError: It is damaged, or a file lacks its partner.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            # The index of the archive first: pairs need not lie side by side in it.
            members = {member.name: member for member in archive if member.isfile()}
            for name, frames, systems in _paired(members, path):
                listed = _unpack_list(_content(archive, systems), systems.name)
                yield name, partial(_content, archive, frames), listed
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"'{path}' cannot be read as a tar archive ({error}); remove it and fetch it again."
        ) from error


def pairs_of_folder(path: Path) -> Iterator[Pair]:
    """Yield the pairs of files in a folder.

    Args:
        path: The folder.

    Raises:
        DataError: A file lacks its partner.
    """
    files = {str(file): file for file in path.rglob("*") if file.is_file()}
    for name, frames, systems in _paired(files, path):
        yield name, frames.read_bytes, _unpack_list(systems.read_bytes(), systems.name)


def crystal_of(name: str, frame: XYZFrame, reference: float) -> Item:
    """Return a frame as a crystal with its adsorption energy, or why it can't be one.

    Args:
        name: Its id.
        frame: As the file has it, with the total energy, eV.
        reference: Energy of the slab and the gases, eV.
    """
    columns = frame.columns
    energy = frame.number("energy") - reference
    if not abs(energy) <= LARGEST_ENERGY:  # NaN fails every comparison
        return Rejection(name, f"The adsorption energy is beyond {LARGEST_ENERGY:g} eV.")
    # One flag for each atom, or one for each of its directions: free where it can move at all.
    flags = columns["move_mask"].reshape(len(columns["pos"]), -1)
    free = np.asarray(flags.any(axis=1), dtype=np.bool_)
    # Fixed atoms feel what holds them in place, which may be anything.
    if np.abs(columns["forces"][free]).max(initial=0.0) > LARGEST_FORCE:
        return Rejection(name, f"A force on a free atom is beyond {LARGEST_FORCE:g} eV/Å.")
    return Crystal(
        id=name,
        atomic_numbers=columns[SPECIES],
        positions=columns["pos"],
        cell=frame.cell,
        pbc=np.array(frame.pbc),
        labels={
            "energy": energy,
            "forces": columns["forces"],
            "reference_energy": reference,
        },
        site_properties={"fixed": (~free).astype(np.uint8), "tags": columns["tags"]},
    )


def _item(subset: str, line: str, frame: XYZFrame | None) -> Item:
    """Return the frame that belongs to a line of the list."""
    fields = line.split(",")
    try:
        system, step, reference = fields[0], fields[1], float(fields[2])
    except (IndexError, ValueError):
        return Rejection(f"{subset}/{line}", "The list does not name system, frame and energy.")
    name = f"{subset}/{system}/{step}"
    if frame is None:
        return Rejection(name, MISSING)
    try:
        return crystal_of(name, frame, reference)
    except KeyError as error:
        return Rejection(name, f"The frame has no column {error.args[0]}.")
    except MatSciMLError as error:
        return Rejection(name, reason_of(error))


def _frames(shard: Shard) -> Iterator[XYZFrame]:
    """Yield the frames of a shard; those behind a fault are missing."""
    packed = shard.name.endswith(".xz")
    stream: Readable = _Unpacker(shard.frames) if packed else io.BytesIO(shard.frames)
    try:
        yield from read_extended_xyz(stream)
    except lzma.LZMAError as error:
        raise DataError(
            f"'{shard.name}' is damaged ({error}); remove the archive and fetch it again."
        ) from error
    except (EOFError, DataError):
        return


class _Unpacker:
    """Unpacks xz as far as it goes; Python's own file object drops what comes before the fault."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._unpack = lzma.LZMADecompressor()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            EOFError: The end comes too early, perhaps within a number.
        """
        if self._unpack.eof:
            self._data = self._unpack.unused_data.lstrip(b"\0")
            if not self._data:
                return b""
            self._unpack = lzma.LZMADecompressor()  # another stream follows
        data, self._data = self._data, b""
        if not data and self._unpack.needs_input:
            raise EOFError("the packed file is cut off")
        return self._unpack.decompress(data, size)


def _unpack_list(data: bytes, name: str) -> bytes:
    """Return a list of systems; one that would fill the memory is an error."""
    if not name.endswith(".xz"):
        return data
    unpack = lzma.LZMADecompressor()
    try:
        text = unpack.decompress(data, _LONGEST_LIST)
    except lzma.LZMAError as error:
        raise DataError(
            f"'{name}' is damaged ({error}); remove the archive and fetch it again."
        ) from error
    if not unpack.eof:
        raise DataError(
            f"'{name}' is cut off, or no list of systems; remove the archive and fetch it again."
        )
    return text


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Read a member of an archive; nothing is written, wherever its path leads."""
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read()


def _paired(files: Mapping[str, _File], where: Path) -> Iterator[tuple[str, _File, _File]]:
    """Yield name, frames and list of each pair, by folder and number."""
    pairs: dict[tuple[str, int], dict[str, tuple[str, _File]]] = {}
    for name, file in files.items():
        match = _MEMBER.fullmatch(name)
        if match is not None:
            key = (match[1] or "", int(match[2]))
            pairs.setdefault(key, {})[match[3]] = (name, file)
    # By number, not by name: ids and resuming need one order, in which 2 comes before 10.
    for (folder, index), pair in sorted(pairs.items(), key=lambda item: item[0]):
        if len(pair) < 2:
            raise DataError(
                f"'{where}' has only one of '{folder}{index}.extxyz' and '{folder}{index}.txt', "
                "and needs both; fetch it again."
            )
        yield pair["extxyz"][0], pair["extxyz"][1], pair["txt"][1]
    if not pairs:
        raise DataError(f"'{where}' holds no files 'N.extxyz.xz' and 'N.txt.xz'; it is no S2EF.")
