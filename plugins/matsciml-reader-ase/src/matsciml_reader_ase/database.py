"""Databases of ASE: SQLite (``.db``), or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.db import connect

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of

_PAGE = 500
"""Rows that are asked for at a time: ASE holds all that a query finds."""
_KEPT = (*("masses", "momenta", "initial_magmoms", "initial_charges"), *all_properties)
"""What was set for the atoms, and what was calculated."""
_MOMENTS = frozenset({"initial_magmoms", "magmoms"})


class DatabaseReader(Reader):
    """Reads the rows of a database, with their key-value pairs and results."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the rows of a database, by their ids.

        Args:
            file: The file.
        """
        for row in _rows(connect(str(file.plain_path()))):
            # The row's own id is a name only where its key-value pairs hold no better one.
            yield frame_of_row(row, f"{file.path.stem}-{row.id:06d}", id=row.id)


def frame_of_row(row: Any, name: str, **defaults: Any) -> Frame:
    """Return the structure of a row with what stands beside it.

    Args:
        row: ASE's ``AtomsRow``.
        name: Of the structure, where its values hold no better one.
        **defaults: Values that the row need not hold.
    """
    values = {**defaults, **_values(row)}
    return Frame(
        name=name_of(values, name),
        atomic_numbers=row.numbers,
        positions=row.positions,
        cell=row.cell,
        pbc=row.pbc,
        values=values,
        site_properties=_site_properties(row),
    )


def _values(row: Any) -> dict[str, Any]:
    """Return what a row has beside its structure."""
    own = {name: row.get(name) for name in _KEPT if row.get(name) is not None}
    for name in _MOMENTS & own.keys():
        # ASE 3.29 keeps those with a direction in SQLite as so many numbers, and then cannot make
        # atoms of the row.
        if np.size(own[name]) == 3 * len(row.numbers):
            own[name] = np.reshape(own[name], (-1, 3))
    return {**row.data, **row.key_value_pairs, **own}


def _site_properties(row: Any) -> dict[str, Any]:
    """Return the tags of a row, and which atoms are held."""
    tags, constraints = row.get("tags"), row.constraints
    if tags is None and not constraints:
        return {}
    return site_properties_of(Atoms(row.numbers, row.positions, tags=tags, constraint=constraints))


def _rows(database: Any) -> Iterator[Any]:
    """Yield the rows of a database by their ids, without holding more than a page of them."""
    last = 0
    while page := list(database.select(f"id>{last}", limit=_PAGE, sort="id")):
        yield from page
        last = page[-1].id
