"""Records of LMDB files that other toolkits wrote: a pickle under each decimal key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.data.readers.foreign_lmdb import count_lmdb, read_lmdb
from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb.whitelist_pickle import load_plain


def lmdb_files(path: Path) -> list[Path]:
    """Return the LMDB files that a path names, in the order of their names.

    Args:
        path: A file, or a folder with ``*.lmdb`` or with ``data.mdb``.

    Raises:
        DataError: There is none.
    """
    if path.is_file():
        return [path]
    # ``data.mdb`` is what LMDB itself calls a file in a folder of its own.
    files = sorted(path.glob("*.lmdb")) or sorted(path.glob("data.mdb"))
    if not files:
        raise DataError(
            f"'{path}' holds no LMDB file; name a file, or a folder with '*.lmdb' or 'data.mdb'."
        )
    return files


def read_records(
    files: Sequence[Path], *, start: int = 0, inert: Sequence[str] = ()
) -> Iterator[tuple[str, Any]]:
    """Yield the records of LMDB files, in numerical order of their keys within each file.

    Args:
        files: See :func:`lmdb_files`.
        start: How many records to skip.
        inert: Packages whose objects become inert records, see ``load_plain``.

    Yields:
        The key, with the file's name before it where there are several, and the plain data.

    Raises:
        DataError: A file is damaged, or a record asks for more than plain data.
    """
    for file in files:
        # Keys are numbers from 0 in each file, so that files are told apart by their names.
        prefix = f"{file.stem}/" if len(files) > 1 else ""
        skipped = min(start, count_records([file])) if start else 0
        start -= skipped
        for key, data in raw_records(file, start=skipped):
            where = f"Record {key} of '{file}'"
            yield f"{prefix}{key}", load_plain(data, inert=inert, where=where)


def raw_records(file: Path, *, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the pickles of an LMDB file unread, in numerical order of their keys.

    Args:
        file: The file.
        start: How many records to skip.

    Yields:
        The key, and the pickle, for ``load_plain``.

    Raises:
        DataError: The file is damaged.
    """
    yield from read_lmdb(file, start=start)


def count_records(files: Sequence[Path]) -> int:
    """Return the number of records of LMDB files.

    Args:
        files: See :func:`lmdb_files`.

    Raises:
        DataError: A file is damaged.
    """
    return sum(map(count_lmdb, files))
