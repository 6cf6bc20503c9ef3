"""JSON and JSON lines: lists, mappings and pandas' tables of records with structures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Deferred, InputFile, Reader, Record
from matsciml_core.data.readers.json_stream import members
from matsciml_core.errors import DataError
from matsciml_core.guarded import parse_json
from matsciml_reader_tables.entries import ENTRIES, STRUCTURES, is_record, record_from_entry


class JSONReader(Reader):
    """Reads the records of a file of JSON one after the other, also of one of many GB."""

    def read(self, file: InputFile) -> Iterator[Record | Deferred]:
        """Yield the records of a list, a mapping or a table.

        Args:
            file: The file.

        Raises:
            DataError: It is no JSON, or holds none of these.
        """
        try:
            entries = enumerate(_entries(file))
            for index, (name, entry) in entries:
                yield record_from_entry(entry, name or f"{file.stem}-{index:06d}")
        except DataError as error:
            raise DataError(f"'{file.path}' is no valid JSON: {error}.") from error


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
                except ValueError as error:
                    reason = "The line is no valid JSON."
                    yield Rejection(name, reason, f"{reason[:-1]}: {error}.")
                    continue
                yield record_from_entry(entry, name)


def _entries(file: InputFile) -> Iterator[tuple[str, Any]]:
    """Yield name (or nothing) and entry of the forms that JSON with structures has.

    Raises:
        DataError: It is no JSON, or of another form.
    """
    header: dict[str, Any] = {}
    rows = 0
    with file.open_text() as stream:
        for container, key, value in members(stream, _LISTS):
            if container is None and key is None:
                yield "", value
            elif container is not None and isinstance(value, list):  # pandas, as in matbench
                if "columns" not in header:
                    break  # they stand behind the data
                if not rows:
                    _check_columns(header["columns"])
                name = header["index"][rows] if "index" in header else ""
                yield str(name), dict(zip(header["columns"], value, strict=True))
                rows += 1
            elif container is not None:
                yield "", value
                rows += 1
            elif isinstance(value, dict) and is_record(value) and key not in STRUCTURES:
                yield str(key), value
                rows += 1
            elif key not in (*STRUCTURES, *ENTRIES) and (nested := list(_nested(value))):
                # A material with its frames: the part before the slash is the trajectory.
                yield from ((f"{key}/{name}", entry) for name, entry in nested)
                rows += len(nested)
            elif header.setdefault(str(key), value) != value:
                raise DataError(f"it has two values of '{key}' in one object")
        else:
            if not rows and header:
                yield from _from_columns(header)
            return
    with file.open_text() as stream:
        data = parse_json(stream.read(), largest=None)
    _check_columns(data["columns"])
    names = data.get("index", range(len(data["data"])))
    for name, row in zip(names, data["data"], strict=True):
        yield str(name), dict(zip(data["columns"], row, strict=True))


def _check_columns(names: list[str]) -> None:
    """Reject a table with two columns of one name, of which only the last would be read.

    Raises:
        DataError: It has.
    """
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"it has two columns '{repeated}'; rename one of them")


def _nested(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the frames of a material: MPtrj has them by name, Alexandria's paths as steps."""
    if isinstance(value, dict) and value and all(map(is_record, value.values())):
        yield from value.items()
    elif isinstance(value, list):
        for path, entry in enumerate(value):
            steps = entry.get("steps") if isinstance(entry, dict) else None
            for index, step in enumerate(steps or ()):
                yield f"{path}-{index:04d}", {"mat_id": None, **step}


def _from_columns(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of an object that is one structure, or has a member for each column.

    Raises:
        DataError: It is neither.
    """
    column = next((name for name in (*STRUCTURES, *ENTRIES) if name in data), "")
    if is_record(data) and (not column or not _is_column(data[column])):
        yield "", data
    elif column:  # pandas' default, columns of values by the row's name
        for name in data[column]:
            yield (
                name,
                {key: rows.get(name) for key, rows in data.items() if isinstance(rows, dict)},
            )
    else:
        raise DataError("it holds neither a list nor a table of structures")


def _is_column(value: Any) -> bool:
    """Return whether a member holds structures by their names, and not one structure."""
    return isinstance(value, dict) and "lattice" not in value and "lattice_mat" not in value


_LISTS = ("entries", "data")
"""Members that hold the entries, in files of Alexandria, of OPTIMADE and of pandas."""
