"""Chosen members of an archive, put on the disk one by one.

Names in an archive are never used as paths: a member's file is called what the caller calls it,
so none can be written outside the folder. Links and devices are not members.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from matsciml_core.errors import FetchError
from matsciml_core.files import (
    open_appending_text,
    open_whole,
    read_object,
    refuse_links,
    remove_unfinished,
    write_json,
    write_whole,
)
from matsciml_core.guarded import parse_json
from matsciml_util_sources.download import identity_of

_RESERVE = 64 << 20
"""Bytes that unpacking leaves free on the disk."""
_BLOCK = 1 << 20
_NOTE = "unpacked.json"
"""Says which files are there, whole, and from which archive; reading that again takes minutes."""
_JOURNAL = "unpacking.jsonl"
"""While an archive is unpacked: a line that says which one, and one for each file that is done."""
_OWN = re.compile(r"\..*|.*\.(part|lock|fetched\.json)|unpacked\.json|unpacking\.jsonl", re.DOTALL)
"""Names that are bookkeeping of ours, or of the folder above; no member may have one."""


def unpack(archive: Path, folder: Path, rename: Callable[[str], str | None]) -> list[Path]:
    """Unpack members of a zip or tar archive.

    Files that an earlier call unpacked from this very archive are left alone; those of another
    archive are replaced, be it of the same name and size.

    Args:
        archive: The archive; a tar may be compressed by gzip, bzip2 or xz.
        folder: Where to put the files; made where it is missing.
        rename: From a member's name to its file's, without folders; None: it is not wanted.

    Returns:
        The files, sorted.

    Raises:
        FetchError: The archive is damaged, the disk too small for what it holds, or a file would
            have a name of our own bookkeeping.
        DataError: The folder holds a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder)
    origin = identity_of(archive)
    note = read_object(folder / _NOTE) or {}
    if note.get("origin") == origin and note["files"] == _sizes(folder, note["files"]):
        return sorted(folder / name for name in note["files"])
    remove_unfinished(folder)
    done = _continue(folder, origin)
    files: dict[Path, None] = {}
    try:
        with closing(_members(archive, rename)) as members:
            for name, size, stream in members:
                with stream:
                    target = folder / _file_name(name)
                    files[target] = None
                    if done.get(target.name) != size or not _has_size(target, size):
                        _write(stream, target, size)
                        _add_line(folder, {"name": target.name, "size": size})
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        raise FetchError(
            f"'{archive}' cannot be unpacked ({error}); remove it and fetch it again."
        ) from error
    # The note comes last: after a crash there is none, and the archive is looked through again.
    names = [path.name for path in files]
    write_json(folder / _NOTE, {"origin": origin, "files": _sizes(folder, names)})
    (folder / _JOURNAL).unlink(missing_ok=True)
    return sorted(files)


def _continue(folder: Path, origin: Mapping[str, Any]) -> dict[str, int]:
    """Return name and size of what an interrupted call unpacked of the archive; note the archive.

    Files that another archive left are not in it, whatever their names and sizes.
    """
    try:
        lines = (folder / _JOURNAL).read_text(encoding="utf-8").splitlines()
        first, *rest = [loaded for line in lines if (loaded := _parsed(line)) is not None]
        if first == origin:
            return {str(entry["name"]): int(entry["size"]) for entry in rest}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing was begun, or somebody changed the note
    note = read_object(folder / _NOTE) or {}
    write_whole(folder / _JOURNAL, f"{json.dumps(origin)}\n".encode())
    if note.get("origin") == origin:  # whole once; some files were removed or changed since
        return {str(name): size for name, size in dict(note.get("files") or {}).items()}
    return {}


def _parsed(line: str) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None  # the last line, which a kill cut off


def _add_line(folder: Path, entry: Mapping[str, Any]) -> None:
    with open_appending_text(folder / _JOURNAL) as stream:
        stream.write(f"{json.dumps(entry)}\n")


def _file_name(name: str) -> str:
    """Return the last part of a name: whatever an archive says, nothing leaves the folder."""
    last = Path(name).name
    if not last or _OWN.fullmatch(last) or not last.isprintable():
        raise ValueError(f"it holds a file called {last!r}, which is no name for data")
    return last


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _sizes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    paths = {name: folder / name for name in names}
    return {name: path.stat().st_size for name, path in paths.items() if path.exists()}


def _members(
    archive: Path, rename: Callable[[str], str | None]
) -> Generator[tuple[str, int, IO[bytes]]]:
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
    written = 0
    with open_whole(target) as file:
        while block := stream.read(_BLOCK):
            written += len(block)
            # A member that unpacks to more than it declares could fill the disk.
            if written > size:
                raise ValueError(f"'{target.name}' is larger than declared")
            file.write(block)
        if written < size:
            raise ValueError(f"'{target.name}' is shorter than declared")
