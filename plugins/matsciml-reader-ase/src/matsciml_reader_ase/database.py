"""Databases of ASE: SQLite (``.db``), or JSON with ``--format ase-db``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ase.db import connect

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of

_PAGE = 500
"""Rows that are asked for at a time: ASE holds all that a query finds."""
_RESULTS = ("energy", "free_energy", "forces", "stress", "magmom", "magmoms", "charges")


class DatabaseReader(Reader):
    """Reads the rows of a database, with their key-value pairs and results."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the rows of a database, by their ids.

        Args:
            file: The file.
        """
        for row in _rows(connect(str(file.plain_path()))):
            results = {name: row.get(name) for name in _RESULTS if row.get(name) is not None}
            # The row's own id is a name only where its key-value pairs hold no better one.
            values = {"id": row.id, **row.data, **row.key_value_pairs, **results}
            yield Frame(
                name=name_of(values, f"{file.path.stem}-{row.id:06d}"),
                atomic_numbers=row.numbers,
                positions=row.positions,
                cell=row.cell,
                pbc=row.pbc,
                values=values,
                site_properties=site_properties_of(row.toatoms()) if says_more(row) else {},
            )


def says_more(row: Any) -> bool:
    """Return whether a row holds tags or constraints, for which atoms have to be made of it.

    Args:
        row: A row, or its fields as a dictionary.
    """
    return row.get("tags") is not None or bool(row.get("constraints"))


def _rows(database: Any) -> Iterator[Any]:
    """Yield the rows of a database by their ids, without holding more than a page of them."""
    last = 0
    while page := list(database.select(f"id>{last}", limit=_PAGE, sort="id")):
        yield from page
        last = page[-1].id
