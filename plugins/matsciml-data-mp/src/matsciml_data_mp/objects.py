"""Reading the objects of a release, a few hundred records at a time.

This process takes the files apart, which is quick; the pieces are decoded by whoever converts.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from matsciml_core.data.ingestion.conversion import Item
from matsciml_core.errors import FetchError, MissingPackageError
from matsciml_data_mp.records import FIELDS, Rules, read_record

LINES, SINGLE, TABLE = ".jsonl.gz", ".json.gz", ".parquet"
FORMATS = (LINES, SINGLE, TABLE)
"""Endings of objects that hold records; where a release has several, the first one is read."""
PIECE = 256
"""Records that are decoded together."""


Numbered = tuple[str, Any]
"""Where a record comes from, and the record, or the JSON of it."""


@dataclass(frozen=True)
class Piece:
    """Some records that follow each other."""

    content: Any
    """A list of :data:`Numbered`, or rows of a table."""
    where: str = ""
    """What the table is called."""
    first: int = 0
    """Number of the first row in the table, from 0."""

    def records(self) -> Iterator[Numbered]:
        """Yield where each record comes from, and the record; None for one that is no JSON."""
        if hasattr(self.content, "to_pylist"):
            for number, row in enumerate(self.content.to_pylist(), self.first + 1):
                yield f"{self.where}:{number}", row
            return
        for where, found in self.content:
            yield where, _decoded(found) if isinstance(found, bytes) else found

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.content)

    def cut(self, number: int) -> Piece:
        """Return the first records alone."""
        return replace(self, content=self.content[:number])


def read_piece(piece: Piece, rules: Rules) -> Iterator[Item]:
    """Yield the records of a piece as crystals, or why they are none."""
    for where, record in piece.records():
        yield read_record(record, where, rules)


def in_pieces(records: Iterable[Numbered]) -> Iterator[Piece]:
    """Put records together that follow each other."""
    rest = iter(records)
    while content := list(islice(rest, PIECE)):
        yield Piece(content)


def up_to(pieces: Iterable[Piece], left: int | None) -> Iterator[tuple[Piece, int]]:
    """Yield pieces until they hold as many records as wanted, the form that is ingested.

    Args:
        pieces: The pieces.
        left: Records that are wanted; None: all.
    """
    for piece in pieces:
        if left is None:
            yield piece, 0
        elif left > 0:
            yield piece.cut(left), 0
            left -= len(piece)
        else:
            return


def read_objects(paths: Sequence[Path], start: int = 0) -> Iterator[Piece]:
    """Yield the records of objects, in their order, from the ``start``-th on.

    Args:
        paths: The files.
        start: Records to leave out; they are not decoded.

    Raises:
        FetchError: A file is damaged.
        MissingPackageError: A file is a table, and pyarrow is not installed.
    """
    if paths and paths[0].name.endswith(TABLE):
        for path in paths:
            yield from _table(path, start)
            start = max(0, start - count_records(path))
    else:
        yield from in_pieces(islice(_numbered(paths), start, None))


def count_records(path: Path) -> int:
    """Return the number of records in an object."""
    if path.name.endswith(TABLE):
        return int(_open_table(path).metadata.num_rows)
    return sum(1 for _ in _texts(path))


def require_reader(names: Sequence[str]) -> None:
    """Fail now rather than after the download where a package is missing.

    Raises:
        MissingPackageError: A name is that of a table, and pyarrow is not installed.
    """
    if any(name.endswith(TABLE) for name in names):
        _pyarrow()


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _numbered(paths: Sequence[Path]) -> Iterator[Numbered]:
    for path in paths:
        where = f"{path.parent.name}/{path.name}"
        for number, text in enumerate(_texts(path), 1):
            yield f"{where}:{number}", text


def _texts(path: Path) -> Iterator[bytes]:
    """Yield what is to be decoded: each line, or the whole of an object with one record."""
    try:
        with gzip.open(path, "rb") as stream:
            if path.name.endswith(LINES):
                yield from (line for line in stream if line.strip())
            else:
                yield stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path) from error


def _table(path: Path, start: int) -> Iterator[Piece]:
    file = _open_table(path)
    columns = [name for name in FIELDS if name in file.schema_arrow.names]
    place = 0
    try:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if start >= place + rows:
                place += rows
                continue
            for batch in file.iter_batches(PIECE, row_groups=[group], columns=columns):
                skipped = min(max(0, start - place), batch.num_rows)
                if skipped < batch.num_rows:
                    yield Piece(batch.slice(skipped), path.name, place + skipped)
                place += batch.num_rows
    except (OSError, _pyarrow().lib.ArrowException) as error:
        raise _damaged(path) from error


def _open_table(path: Path) -> Any:
    try:
        return _pyarrow().parquet.ParquetFile(path)
    except (OSError, _pyarrow().lib.ArrowException) as error:
        raise _damaged(path) from error


def _pyarrow() -> Any:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise MissingPackageError(
            "This release is kept in Parquet; to read it, run: "
            "pip install 'matsciml-data-mp[parquet]'."
        ) from error


def _damaged(path: Path) -> FetchError:
    return FetchError(f"'{path}' is damaged; remove it and run the same command again.")
