"""Values that stand in a table of their own, beside the structures."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.data.readers.torn import lacks_digits
from matsciml_core.errors import ConfigError

TORN = "The file ends within its last row, without the end of a line; complete the row, or end it."
_KNOWN = 30
"""Rows of which the last entry is kept, to tell how many digits it has."""


class TableRows:
    """The rows of a CSV file with a header, the last of which may be torn.

    A program that is killed, and a copy that breaks off, leave a row that looks whole to Python's
    and pandas' readers: entries that are missing are empty, quotes that are never closed are closed
    at the end, with half a structure between them, and of -12.345 there may be -12. So a last line
    without an end is looked at: it is torn where entries or quotes are missing, or where its last
    entry lacks digits that the rows before it have.
    """

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        """Read the header.

        Args:
            lines: The lines of the file, with their ends.
            delimiter: What separates columns.
        """
        self._raw: list[str] = []
        self._rows = csv.DictReader(self._noted(lines), delimiter=delimiter)
        header = self._rows.fieldnames or ()
        self.names = [name for name in header if name]
        """Names of the columns."""
        self._last = header[-1] if header else ""

    def __iter__(self) -> Iterator[tuple[dict[str | Any, str | Any], bool]]:
        """Yield the rows, each with whether the file ends within it."""
        known: deque[str] = deque(maxlen=_KNOWN)
        self._raw.clear()
        for row in self._rows:
            entry = row[self._last] or ""
            torn = not self._raw[-1].endswith(("\n", "\r")) and (
                None in row.values()
                or "".join(self._raw).count('"') % 2 == 1
                or lacks_digits(entry, known)
            )
            yield row, torn
            known.append(entry)
            self._raw.clear()

    def _noted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._raw.append(line)
            yield line


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV file with a header, by the value in their first column.

    Args:
        path: The file; its first column holds the ids of the structures.

    Raises:
        ConfigError: The file cannot be read, has fewer than two columns, or contradicts itself.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = delimiter_of(stream.readline())
            stream.seek(0)
            rows = TableRows(stream, delimiter)
            names = rows.names
            if len(names) < 2:
                raise ConfigError(
                    f"The table '{path}' needs a header, ids in its first column, and a column for "
                    "each label."
                )
            check_header(names, path)
            table: dict[str, dict[str, str]] = {}
            for row, torn in rows:
                if torn:
                    raise ConfigError(f"The table '{path}' cannot be read: {TORN}")
                if None in row:
                    raise ConfigError(
                        f"The table '{path}' has a row of more entries than its header, "
                        f"'{row[names[0]]}'; enclose numbers with a comma in quotes."
                    )
                name, values = row[names[0]], {key: row[key] for key in names[1:]}
                if table.setdefault(name, values) != values:
                    raise ConfigError(
                        f"The table '{path}' has several rows for '{name}' whose values differ; "
                        "leave the right one."
                    )
            return table
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"The table '{path}' cannot be read: {error}.") from error


def check_header(names: Sequence[str], path: Path) -> None:
    """Reject a header that names a column twice, of which only the last would be read.

    Args:
        names: The names.
        path: The file, for the message.

    Raises:
        ConfigError: It does.
    """
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"The table '{path}' has two columns '{repeated}'; rename one of them.")


def delimiter_of(first: str) -> str:
    """Return what separates columns in the first line; spreadsheets differ by country."""
    # Where a comma separates decimals, spreadsheets separate columns by semicolons.
    return max(",;\t", key=first.count)
