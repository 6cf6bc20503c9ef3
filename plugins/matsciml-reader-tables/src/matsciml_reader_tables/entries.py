"""A record of a table: one of its entries is the structure, in one of several forms."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Deferred, Frame, Record, name_of
from matsciml_core.data.readers.structures import (
    frame_from_optimade,
    frame_from_structure,
    frame_from_text,
)
from matsciml_core.guarded import parse_json
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_tables.sources import units_of, with_units

STRUCTURES = ("structure", "atoms", "initial_structure", "cif", "poscar")
"""Names of columns with structures, the first one that there is."""
ENTRIES = ("entry", "computed_structure_entry")
"""Names of columns with pymatgen's entries, as Matbench Discovery has them: a structure and more
within."""
_TEXTS = ("cif", "poscar")


def is_record(entry: Any) -> bool:
    """Return whether an object of JSON is a structure, or has one.

    Args:
        entry: The object.
    """
    if not isinstance(entry, dict):
        return False
    keys = ("lattice", "lattice_mat", "attributes", "lattice_vectors", *STRUCTURES)
    return any(key in entry for key in keys) or any(is_record(entry.get(key)) for key in ENTRIES)


def record_from_entry(entry: Any, otherwise: str) -> Record | Deferred:
    """Return the record of an object of JSON: a structure, or one with values beside it.

    Args:
        entry: The object.
        otherwise: The record's name where the object has none.
    """
    if not isinstance(entry, dict):
        return Rejection(otherwise, "The entry is no JSON object.")
    if "lattice" in entry and "sites" in entry:
        return frame_from_structure(entry, otherwise, {})
    if isinstance(entry.get("attributes"), dict):  # OPTIMADE
        entry = {**entry["attributes"], "id": entry.get("id")}
    whole = next((key for key in ENTRIES if is_record(entry.get(key))), "")
    if whole:  # what stands beside an entry wins over what is in it
        entry = {**entry[whole], **{key: entry[key] for key in entry if key != whole}}
    # Records of some databases keep their labels one level down, under "data".
    column = next((key for key in STRUCTURES if key in entry), "")
    inner = entry.get("data")
    values = dict(inner) if isinstance(inner, dict) else {}
    values |= {key: value for key, value in entry.items() if key != column}
    name = name_of(values, otherwise)
    if "/" in otherwise and "/" not in name:  # a frame of a material keeps both names
        name = otherwise
    if not column and "lattice_vectors" in entry:
        return frame_from_optimade(entry, name, values)
    if not column:
        return Rejection(name, "The entry has no structure.")
    structure = entry[column]
    if isinstance(structure, str):
        return record_from_text(structure, column, name, values)
    if isinstance(structure, dict) and "lattice_mat" in structure:
        frame = frame_from_jarvis(structure, name, values)
    else:
        frame = frame_from_structure(structure, name, values)
    return with_units(frame, units_of(values))


def frame_from_jarvis(atoms: dict[str, Any], name: str, values: dict[str, Any]) -> Record:
    """Return the record of a structure as JARVIS writes it.

    Args:
        atoms: ``lattice_mat`` (rows, Å), ``coords``, ``elements``, and ``cartesian``, which says of
            each entry what its coordinates are.
        name: What the record is called.
        values: What was written beside it.
    """
    try:
        cell = np.array(atoms["lattice_mat"], dtype=np.float64)
        coordinates = np.array(atoms["coords"], dtype=np.float64)
        numbers = [atomic_number(symbol.strip()) or 0 for symbol in atoms["elements"]]
        if atoms["cartesian"] not in (True, False):  # of the text "False" Python says it is true
            raise TypeError
        positions = coordinates if atoms["cartesian"] else coordinates @ cell
    except (KeyError, TypeError, ValueError, AttributeError):
        reason = "The structure has not lattice_mat, coords, elements and cartesian of JARVIS."
        return Rejection(name, reason)
    if any(atoms.get("props") or ()):  # of each site; most files have empty text there
        values = {"props": atoms["props"], **values}
    return Frame(name=name, atomic_numbers=numbers, positions=positions, cell=cell, values=values)


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
    except ValueError as error:
        reason = "The structure is no JSON."
        return Rejection(name, reason, f"{reason[:-1]}: {error}.")
    return frame_from_structure(data, name, values)
