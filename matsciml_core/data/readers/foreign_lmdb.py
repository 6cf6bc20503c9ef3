"""LMDB files that somebody else made, read in a process of their own.

LMDB maps a file into memory and believes what its pages say. One that is cut off, or damaged, ends
the process that reads it; here that is a child, and a sentence for the user.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from matsciml_core.data.readers import _lmdb_child
from matsciml_core.errors import DataError

LARGEST_RECORD = 1 << 30
"""Bytes of one record as it is stored."""
_MEMORY = 2 << 30
"""Bytes that the child may allocate, beside the file that it maps."""
_CHILD = Path(_lmdb_child.__file__)
_BUFFER = 1 << 20
_PAGE = struct.Struct("<16x II QQ I 92x QQ")
"""A meta page: behind a header magic number, version, address, size of the map and, as the first
field of the two trees, bytes per page; behind the trees the last page and the transaction."""
_MAGIC = 0xBEEFC0DE
_PAGE_SIZES = (512, 1 << 16)


def read_lmdb(file: Path, *, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the records under decimal keys, in their numerical order; other keys are passed over.

    Args:
        file: The file.
        start: How many records to skip.

    Yields:
        The key, without leading zeros, and the record as it is stored.

    Raises:
        DataError: The file is no LMDB, damaged, cut off, or holds a record beyond any use.
    """
    # Valid files can be shorter than their last page, where pages were given back before they were
    # written. Only reading tells, so of those everything is read before anything is believed.
    mode = "read" if _is_complete(file) else "check"
    with _child(file, mode, start) as stream:
        while True:
            key_length, length = _header(stream, file)
            if key_length < 0:
                return
            if length > LARGEST_RECORD:
                raise DataError(
                    f"A record of '{file}' takes {length >> 20} MiB, which none of a crystal does; "
                    "the file is damaged."
                )
            key = _exactly(stream, key_length, file)
            yield str(int(key)), _exactly(stream, length, file)


def count_lmdb(file: Path) -> int:
    """Return the number of records under decimal keys.

    Args:
        file: The file.

    Raises:
        DataError: The file is no LMDB, damaged, or cut off.
    """
    _is_complete(file)
    with _child(file, "count", 0) as stream:
        return _header(stream, file)[1]


def _is_complete(file: Path) -> bool:
    """Return whether a file is as long as its last page says.

    Raises:
        DataError: It is no LMDB, or ends within a page.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            first = _meta(stream.read(_PAGE.size))
            stream.seek(first[0])
            second = _meta(stream.read(_PAGE.size))
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"'{file}' cannot be read as LMDB ({error}); copy or fetch it again."
        ) from error
    page = first[0]
    # The two take turns: what the later transaction says is so.
    stated = (max(first, second, key=lambda meta: meta[2])[1] + 1) * page
    if size % page:
        raise DataError(
            f"'{file}' has {size:,} bytes, which are no whole pages; it was cut off, so copy or "
            f"fetch it again. It says that it has {stated:,}."
        )
    return size >= stated


def _meta(data: bytes) -> tuple[int, int, int]:
    """Return bytes per page, number of the last page and of the transaction."""
    magic, _version, _address, _map, page, last, transaction = _PAGE.unpack(data)
    if magic != _MAGIC or not _PAGE_SIZES[0] <= page <= _PAGE_SIZES[1] or page & (page - 1):
        raise ValueError("it does not begin like one")
    return page, last, transaction


@contextmanager
def _child(file: Path, mode: str, start: int) -> Iterator[IO[bytes]]:
    """Start the child; say why where it ended badly, and end it where the caller stops early."""
    arguments = [str(file.resolve()), mode, str(start), str(_MEMORY), str(file.stat().st_size)]
    # -P: nothing of the folder that the command was started in is imported.
    process = subprocess.Popen(
        [sys.executable, "-P", str(_CHILD), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=_BUFFER,
    )
    stdout, stderr = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
    try:
        yield stdout
    except _ShortError:
        # The records end too early: the child says why, or its end does.
        reason = stderr.read(_BUFFER).decode("utf-8", "replace").strip().rpartition("\n")[2]
        code = process.wait()
        raise DataError(
            f"'{file}' cannot be read as LMDB ({_explained(code, reason)}); it is damaged or was "
            "cut off, so copy or fetch it again."
        ) from None
    finally:
        process.kill()
        stdout.close()
        stderr.close()
        process.wait()


def _explained(code: int, reason: str) -> str:
    if code < 0:
        return f"reading it ended a process by signal {-code}"
    return reason or f"a process ended with status {code}"


class _ShortError(Exception):
    """The child sent less than it announced."""


def _header(stream: IO[bytes], file: Path) -> tuple[int, int]:
    header = _lmdb_child.HEADER
    key_length, length = header.unpack(_exactly(stream, header.size, file))
    return key_length, length


def _exactly(stream: IO[bytes], size: int, file: Path) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _ShortError(os.fspath(file))
    return data
