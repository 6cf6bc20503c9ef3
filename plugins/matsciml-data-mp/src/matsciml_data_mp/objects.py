"""Reading the objects of a release, a few hundred records at a time.

This process takes the files apart, which is quick; the processes that convert decode the pieces.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from matsciml_core.data.ingestion.conversion import Item
from matsciml_core.errors import FetchError, MissingPackageError
from matsciml_core.guarded import parse_json
from matsciml_data_mp.records import FIELDS, Rules, read_record

LINES, SINGLE, TABLE = ".jsonl.gz", ".json.gz", ".parquet"
FORMATS = (LINES, SINGLE, TABLE)
"""Endings of objects that hold records, the one to read first where a release has several."""
PIECE = 256
"""Records that are decoded together."""


Located = tuple[str, Any]
"""Where a record comes from, and the record, or the JSON of it."""


@dataclass(frozen=True)
class Piece:
    """Some records that follow each other."""

    content: Any
    """A list of :data:`Located`, or rows of a table."""
    where: str = ""
    """What the table is called."""
    start: int = 0
    """Index in the table of the piece's first row."""

    def records(self) -> Iterator[Located]:
        """Yield where each record comes from, and the record; None for one that is no JSON."""
        if hasattr(self.content, "to_pylist"):
            for row_number, row in enumerate(self.content.to_pylist(), self.start + 1):
                yield f"{self.where}:{row_number}", row
            return
        for where, record in self.content:
            if isinstance(record, bytes):
                try:
                    record = parse_json(record, largest=None)
                except ValueError:
                    record = None
            yield where, record

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.content)

    def cut(self, count: int) -> Piece:
        """Return a piece with the first records alone.

        Args:
            count: How many.
        """
        return replace(self, content=self.content[:count])


def read_piece(piece: Piece, rules: Rules) -> Iterator[Item]:
    """Yield the records of a piece as crystals, or why they can't be.

    Args:
        piece: The records.
        rules: What to leave out.
    """
    for where, record in piece.records():
        yield read_record(record, where, rules)


def in_pieces(records: Iterable[Located]) -> Iterator[Piece]:
    """Put records together that follow each other.

    Args:
        records: The records.
    """
    rest = iter(records)
    while content := list(islice(rest, PIECE)):
        yield Piece(content)


def up_to(pieces: Iterable[Piece], left: int | None) -> Iterator[tuple[Piece, int]]:
    """Yield pieces up to a number of records, each with an offset of 0, the form to ingest.

    Args:
        pieces: The pieces.
        left: Most records; None: all.
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
    """Yield the records of objects, in their order.

    Args:
        paths: The files.
        start: Index of the first record to yield; those before it are not decoded.

    Raises:
        FetchError: A file is damaged.
        MissingPackageError: A file is a table, and pyarrow is not installed.
    """
    if paths and paths[0].name.endswith(TABLE):
        for path in paths:
            yield from _table(path, start)
            start = max(0, start - count_records(path))
    else:
        located = (
            (f"{path.parent.name}/{path.name}:{line}", text)
            for path in paths
            for line, text in enumerate(_texts(path), 1)
        )
        yield from in_pieces(islice(located, start, None))


def count_records(path: Path) -> int:
    """Return the number of records in an object.

    Args:
        path: The file.
    """
    if path.name.endswith(TABLE):
        return int(_open_table(path).metadata.num_rows)
    return sum(1 for _ in _texts(path))


def require_reader(names: Sequence[str]) -> None:
    """Fail now rather than after the download where a package is missing.

    Args:
        names: Keys of the objects.

    Raises:
        MissingPackageError: A name is that of a table, and pyarrow is not installed.
    """
    if any(name.endswith(TABLE) for name in names):
        _pyarrow()


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
    """Yield the rows of a table from an index on; groups of rows before it are not read."""
    file = _open_table(path)
    columns = [name for name in FIELDS if name in file.schema_arrow.names]
    index = 0
    try:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if start >= index + rows:
                index += rows
                continue
            # Group by group: memory stays flat, whatever the size of the table.
            for batch in file.iter_batches(PIECE, row_groups=[group], columns=columns):
                skipped = min(max(0, start - index), batch.num_rows)
                if skipped < batch.num_rows:
                    yield Piece(batch.slice(skipped), path.name, index + skipped)
                index += batch.num_rows
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
