"""A record of a table: one of its entries is the structure, in one of several forms."""

from __future__ import annotations

from functools import partial
from typing import Any

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Deferred, Record, name_of
from matsciml_core.data.readers.structures import frame_from_structure, frame_from_text
from matsciml_core.guarded import parse_json

STRUCTURES = ("structure", "atoms", "initial_structure", "cif", "poscar")
"""Names of columns with structures, the first one that there is."""
_TEXTS = ("cif", "poscar")


def record_from_entry(entry: Any, otherwise: str) -> Record | Deferred:
    """Return the record of an object of JSON: a structure, or one with values beside it.

    Args:
        entry: The object.
        otherwise: The record's name where the object has none.
    """
    if not isinstance(entry, dict):
        return Rejection(otherwise, "The entry is no JSON object.")
    if "lattice" in entry:
        return frame_from_structure(entry, otherwise, dict(entry.get("properties") or {}))
    # Records of some databases keep their labels one level down, under "data".
    column = next((key for key in STRUCTURES if key in entry), "")
    inner = entry.get("data")
    values = dict(inner) if isinstance(inner, dict) else {}
    values |= {key: value for key, value in entry.items() if key != column}
    name = name_of(values, otherwise)
    if not column:
        return Rejection(name, "The entry has no structure.")
    if isinstance(entry[column], str):
        return record_from_text(entry[column], column, name, values)
    return frame_from_structure(entry[column], name, values)


def record_from_text(
    text: str, column: str, name: str, values: dict[str, Any]
) -> Record | Deferred:
    """Return the record of a structure that is text.

    Args:
        text: CIF, POSCAR or JSON.
        column: The column that it stood in, which says which of these.
        name: What the record is called.
        values: What stood in the other columns.
    """
    if not text.strip():
        return Rejection(name, "There is no structure.")
    # Parsing takes milliseconds, so it may go to other processes; JSON takes microseconds.
    if column in _TEXTS:
        return Deferred(name, partial(frame_from_text, text, column, name, values))
    try:
        data = parse_json(text, largest=None)
    except ValueError:
        return Rejection(name, "The structure is no JSON.")
    return frame_from_structure(data, name, values)
