"""Values that stand in a table of their own, beside the structures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from matsciml_core.errors import ConfigError


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
            rows = csv.DictReader(stream, delimiter=delimiter)
            names = [name for name in rows.fieldnames or () if name]
            if len(names) < 2:
                raise ConfigError(
                    f"The table '{path}' needs a header, ids in its first column, and a column for "
                    "each label."
                )
            check_header(names, path)
            table: dict[str, dict[str, str]] = {}
            for row in rows:
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
