"""JSON and JSON lines: lists, mappings and pandas' tables of records with structures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Deferred, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.guarded import parse_json
from matsciml_reader_tables.entries import record_from_entry


class JSONReader(Reader):
    """Reads a file of JSON, which is held in memory; JSON lines are not."""

    def read(self, file: InputFile) -> Iterator[Record | Deferred]:
        """Yield the records of a list, a mapping or a table.

        Args:
            file: The file.

        Raises:
            DataError: It is no JSON, or holds none of these.
        """
        with file.open_text() as stream:
            try:
                data = parse_json(stream.read(), largest=None)
            except ValueError as error:
                raise DataError(f"'{file.path}' is no valid JSON: {error}.") from error
        for index, (name, entry) in enumerate(_entries(data, file.path)):
            yield record_from_entry(entry, name or f"{file.stem}-{index:06d}")


class JSONLinesReader(Reader):
    """Reads a record per line."""

    def read(self, file: InputFile) -> Iterator[Record | Deferred]:
        """Yield a record per line; one that is no JSON as a rejection.

        Args:
            file: The file.
        """
        with file.open_text() as stream:
            for index, line in enumerate(stream):
                name = f"{file.stem}-{index:06d}"
                try:
                    entry = parse_json(line, largest=None)
                except ValueError:
                    yield Rejection(name, "The line is no valid JSON.")
                    continue
                yield record_from_entry(entry, name)


def _entries(data: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name (or nothing) and entry of the forms that JSON with structures has."""
    # From the most to the least specific: a mapping of names is what nothing else explains.
    if isinstance(data, list):
        yield from (("", entry) for entry in data)
    elif isinstance(data, dict) and {"columns", "data"} <= data.keys():  # pandas, as in matbench
        index = data.get("index", range(len(data["data"])))
        for name, row in zip(index, data["data"], strict=True):
            yield str(name), dict(zip(data["columns"], row, strict=True))
    elif isinstance(data, dict) and "lattice" in data:
        yield "", data
    elif isinstance(data, dict) and isinstance(data.get("entries"), list):
        yield from (("", entry) for entry in data["entries"])
    elif isinstance(data, dict):
        yield from data.items()
    else:
        raise DataError(f"'{path}' holds neither a list nor a table of structures.")
