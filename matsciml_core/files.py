"""Files that are written whole or not at all, and never through a link that somebody left.

Every file of the product is written here: under a fresh name that nobody can predict, made by this
call and by no other, and renamed over the target at the end. A rename replaces a link instead of
following it, so a folder of a stranger cannot direct what we write to another place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from matsciml_core.errors import DataError
from matsciml_core.guarded import read_json

_SUFFIX = ".part"
_UNFINISHED = re.compile(rf"\.(.+\.)?[0-9a-f]{{16}}{re.escape(_SUFFIX)}")
"""Name of what is not finished: 64 random bits in it, and before them maybe a file's name."""
_LARGEST_NOTE = 64 << 20
"""Bytes of a JSON object of ours; a manifest lists what is wrong with a source by reason."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
"""Windows has neither; making a link there needs a right that users do not have."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new, empty file to write to; it becomes ``path`` when the block ends without error.

    For what can only write to a path. The file is on the disk before it gets its name: what lies at
    ``path`` is the old one or the new one, after a power cut too.

    Args:
        path: The file; a link of this name is replaced, and what it points to is left alone.

    Yields:
        The file's name until then.

    Raises:
        OSError: The folder cannot be written, or ``path`` is a folder or a device.
    """
    _require_replaceable(path)
    # 64 random bits: a name that lies in a folder already cannot have been laid for us.
    part = path.with_name(f".{path.name[:60]}.{os.urandom(8).hex()}{_SUFFIX}")
    with _naming(path, part):
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666))
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def _naming(path: Path, part: Path) -> Iterator[None]:
    """Let an error of the block name what was asked for, and not the file that stands for it."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) == os.fspath(part):
            error.filename = os.fspath(path)
        raise


@contextmanager
def delivering(folder: Path) -> Iterator[Path]:
    """Yield a new, empty folder to write to; what is in it moves to ``folder`` at the end.

    For what writes several files, or a folder, that should appear together or not at all.

    Args:
        folder: Where everything goes; files, links and folders of the same names are replaced.

    Yields:
        The folder to write to, which is removed in any case.

    Raises:
        OSError: The folder cannot be written.
    """
    part = folder / f".{os.urandom(8).hex()}{_SUFFIX}"
    with _naming(folder, part):
        part.mkdir()
    try:
        yield part
        with _interrupts_later():
            for entry in sorted(part.iterdir()):
                target = folder / entry.name
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)  # a rename replaces files, and no folder that holds any
                elif entry.is_dir():
                    target.unlink(missing_ok=True)
                os.replace(entry, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C within the block take effect at its end, so that nothing is moved by half."""
    pressed: list[int] = []
    try:
        previous = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    except ValueError:  # not the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def unfinished(folder: Path) -> list[Path]:
    """Return what killed processes left in a folder while they wrote by the functions above.

    Args:
        folder: The folder; it may be missing.
    """
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _UNFINISHED.fullmatch(path.name))


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing bytes that appear under its name together, or not at all.

    Args:
        path: As for ``replacing``.
    """
    with replacing(path) as part, part.open("wb") as stream:
        yield stream


@contextmanager
def open_whole_text(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file for writing UTF-8 that appears under its name together, or not at all.

    Args:
        path: As for ``replacing``.
        newline: As for ``open``; empty for CSV.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline=newline) as stream:
        yield stream


def open_appending(path: Path) -> FileIO:
    """Open a file to append bytes to it, unbuffered; a link or a device is refused.

    Unbuffered: what was written is in the file's length when the process is killed.

    Raises:
        OSError: It cannot be written, or is no regular file.
    """
    return os.fdopen(_descriptor_at_end(path), "ab", buffering=0)


def open_appending_text(path: Path, *, newline: str | None = None) -> TextIO:
    """Open a file to append UTF-8 to it; a link or a device is refused.

    Args:
        path: The file; made where it is missing.
        newline: As for ``open``; empty for CSV.

    Raises:
        OSError: It cannot be written, or is no regular file.
    """
    return os.fdopen(_descriptor_at_end(path), "a", encoding="utf-8", newline=newline)


def cut(path: Path, length: int) -> None:
    """Shorten a file to its first bytes; a link is refused.

    Args:
        path: The file.
        length: Bytes to keep; a shorter file is left as it is.

    Raises:
        OSError: It cannot be written, or is a link.
    """
    descriptor = os.open(path, os.O_WRONLY | _NO_LINK)
    try:
        if os.fstat(descriptor).st_size > length:
            os.ftruncate(descriptor, length)
    finally:
        os.close(descriptor)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; a source that is a link or a device is refused.

    Raises:
        OSError: One of them cannot be opened, or the source is no regular file.
    """
    descriptor = os.open(source, os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as stream, open_whole(target) as copy:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(source))
        shutil.copyfileobj(stream, copy)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: it is the old one or the new one, after a power cut too."""
    with open_whole(path) as stream:
        stream.write(content)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON in one step."""
    write_whole(path, f"{json.dumps(data, indent=1, ensure_ascii=False)}\n".encode())


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left while they wrote a file, or the files of a folder.

    A process that is writing the same output at this moment fails.

    Args:
        path: The file or folder that they were to write; it may be missing.
    """
    beside = re.compile(rf"\.{re.escape(path.name[:60])}\.[0-9a-f]{{16}}{re.escape(_SUFFIX)}")
    leftovers = [one for one in unfinished(path.parent) if beside.fullmatch(one.name)]
    for leftover in [*leftovers, *unfinished(path)]:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; it may be missing."""
    for path in [*folder.glob(f".*{_SUFFIX}")]:
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)  # of a link the link, not what it points to
        elif _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def refuse_links(folder: Path) -> None:
    """Check that a folder that somebody else may have made holds plain files and folders only.

    A link in it would let a reader publish a private file, and a writer change one; a pipe would
    let either wait forever.

    Args:
        folder: The folder; it may itself be reached by a link, which is the caller's.

    Raises:
        DataError: It holds a link, a device or a pipe.
    """
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    kind = "link" if entry.is_symlink() else "device or pipe"
                    raise DataError(
                        f"'{entry.path}' is a {kind}, which may lead out of the folder '{folder}'; "
                        "put the file itself there, or remove it."
                    )


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none, or none that can be read."""
    try:
        data = read_json(path, largest=_LARGEST_NOTE)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _descriptor_at_end(path: Path) -> int:
    # O_NONBLOCK: a pipe of this name would otherwise wait for a reader that never comes.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def _require_replaceable(path: Path) -> None:
    """Raise an error where a rename would hide a device, or fail at a folder after the writing."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing there; a folder that is missing is reported by what opens the file
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
