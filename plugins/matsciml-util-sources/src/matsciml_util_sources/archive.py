"""Chosen members of an archive, put on the disk one by one.

Names in an archive are never used as paths: a member's file is called what the caller calls it,
so none can be written outside the folder. Links and devices are not members.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from matsciml_core.errors import FetchError
from matsciml_core.files import read_object, write_json

_RESERVE = 64 << 20
"""Bytes that unpacking leaves free on the disk."""
_BLOCK = 1 << 20
_NOTE = "unpacked.json"
"""Says which files are there, whole, and from which archive; reading that again takes minutes."""


def unpack(archive: Path, folder: Path, rename: Callable[[str], str | None]) -> list[Path]:
    """Unpack members of a zip or tar archive; those that are there already are left alone.

    Args:
        archive: The archive; a tar may be compressed by gzip, bzip2 or xz.
        folder: Where to put the files; made where it is missing.
        rename: From a member's name to its file's, without folders; None: it is not wanted.

    Returns:
        The files, sorted.

    Raises:
        FetchError: The archive is damaged, or the disk too small for what it holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    status = archive.stat()
    origin = {"archive": archive.name, "size": status.st_size, "changed_ns": status.st_mtime_ns}
    note = read_object(folder / _NOTE) or {}
    if note.get("origin") == origin and note["files"] == _sizes(folder, note["files"]):
        return sorted(folder / name for name in note["files"])
    files: list[Path] = []
    try:
        for name, size, stream in _members(archive, rename):
            # Only the last part of the name, whatever the archive says: nothing leaves the folder.
            target = folder / Path(name).name
            files.append(target)
            with stream:
                if not target.exists() or target.stat().st_size != size:
                    _write(stream, target, size)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        raise FetchError(
            f"'{archive}' cannot be unpacked ({error}); remove it and fetch it again."
        ) from error
    # The note comes last: after a crash there is none, and the archive is looked through again.
    names = [path.name for path in files]
    write_json(folder / _NOTE, {"origin": origin, "files": _sizes(folder, names)})
    return sorted(files)


def _sizes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    paths = {name: folder / name for name in names}
    return {name: path.stat().st_size for name, path in paths.items() if path.exists()}


def _members(
    archive: Path, rename: Callable[[str], str | None]
) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield file name, size and content of the wanted members."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                name = None if info.is_dir() else rename(info.filename)
                if name is not None:
                    yield name, info.file_size, opened.open(info)
        return
    with tarfile.open(archive) as opened:
        # In the order of the file: a compressed tar cannot go back but by starting anew.
        for member in opened:
            name = rename(member.name) if member.isreg() else None
            content = None if name is None else opened.extractfile(member)
            if name is not None and content is not None:
                yield name, member.size, content


def _write(stream: IO[bytes], target: Path, size: int) -> None:
    """Write a file of the size that the archive declares, and not a byte more."""
    free = shutil.disk_usage(target.parent).free
    if size + _RESERVE > free:
        raise FetchError(
            f"'{target.parent}' has {free / 1e9:.1f} GB free, but '{target.name}' needs "
            f"{size / 1e9:.1f} GB; free some space, or choose another folder with --to."
        )
    part = target.with_name(f"{target.name}.part")
    written = 0
    with part.open("wb") as file:
        while block := stream.read(_BLOCK):
            written += len(block)
            # A member that unpacks to more than it declares could fill the disk.
            if written > size:
                raise ValueError(f"'{target.name}' is larger than declared")
            file.write(block)
        os.fsync(file.fileno())
    if written < size:
        raise ValueError(f"'{target.name}' is shorter than declared")
    os.replace(part, target)
