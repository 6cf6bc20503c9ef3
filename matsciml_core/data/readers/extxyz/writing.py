"""Extended XYZ, written one frame at a time; ASE and this package read the same from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.errors import ShapeError
from matsciml_core.files import open_whole_text
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol

_SPECIAL = re.compile(r"[\s=\"'{}\[\]\\,]")
"""Characters for which a value has to be enclosed."""
_TEXT = ("S", "")
_COLUMNS = {"f": ("R", "16.10f"), "i": ("I", "8d"), "u": ("I", "8d"), "b": ("L", "")}
"""Kind of array → type of its column, and format of its numbers: ten decimals keep positions and
forces beyond the noise of any calculation, in lines of one width, which are read fast."""


def write_frame(
    stream: TextIO,
    crystal: Crystal,
    *,
    values: Mapping[str, Any] | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Append a crystal to a file of extended XYZ.

    Args:
        stream: A text file that is open for writing.
        crystal: The crystal; its own labels and site properties are not written.
        values: What to say of the crystal in the second line, by key: numbers, truth values, text
            or arrays of numbers, in the units of the field: eV, eV/Å³.
        columns: What to say of each atom, by key: ``(atoms,)`` or ``(atoms, width)``, in eV/Å for
            forces; numbers, truth values or text without blanks.

    Raises:
        ShapeError: A column has not one row per atom.
    """
    table = {key: _as_column(key, rows, crystal.num_atoms) for key, rows in (columns or {}).items()}
    pairs = {
        **({"Lattice": crystal.cell.ravel()} if crystal.cell.any() else {}),
        "Properties": "species:S:1:pos:R:3"
        + "".join(
            f":{key}:{_COLUMNS.get(rows.dtype.kind, _TEXT)[0]}:{rows.shape[1]}"
            for key, rows in table.items()
        ),
        "pbc": crystal.pbc,
        "id": crystal.id,
        **(values or {}),
    }
    texts = {key: _value(key, value) for key, value in pairs.items()}
    # Empty text cannot be expressed: readers would take the next key for the value.
    line = " ".join(f"{key}={text}" for key, text in texts.items() if text)
    stream.write(f"{crystal.num_atoms}\n{line}\n")
    atoms = zip(crystal.atomic_numbers.tolist(), crystal.positions.tolist(), strict=True)
    rows = zip(*(_texts(column) for column in table.values()), strict=True) if table else None
    for number, (x, y, z) in atoms:
        more = "".join(next(rows)) if rows is not None else ""
        stream.write(f"{symbol(number):2s} {x:z16.10f} {y:z16.10f} {z:z16.10f}{more}\n")


def write_frames(path: Path, crystals: Iterable[Crystal]) -> None:
    """Write crystals to a file, whole or not at all.

    Args:
        path: The file.
        crystals: The crystals; their labels and site properties are not written.
    """
    with open_whole_text(path) as stream:
        for crystal in crystals:
            write_frame(stream, crystal)


def _as_column(key: str, rows: ArrayLike, atoms: int) -> NDArray[Any]:
    array = np.asarray(rows)
    if array.ndim not in (1, 2) or len(array) != atoms:
        raise ShapeError(
            f"The column '{key}' has the shape {array.shape}; give it one row for each of the "
            f"{atoms} atoms."
        )
    return array.reshape(atoms, -1)


def _texts(rows: NDArray[Any]) -> list[str]:
    """Return the entries of each row as text."""
    kind, form = _COLUMNS.get(rows.dtype.kind, _TEXT)
    if kind == "L":
        return ["".join(" T" if flag else " F" for flag in row) for row in rows.tolist()]
    return ["".join(f" {entry:{form}}" for entry in row) for row in rows.tolist()]


def _value(key: str, value: Any) -> str:
    """Return what stands behind ``key=``."""
    if isinstance(value, bool | np.bool_):
        return "T" if value else "F"
    if isinstance(value, str):
        return _enclosed(value)
    array = np.asarray(value)
    # Truth values before numbers: NumPy would write them as words that readers take for text.
    if array.dtype.kind == "b" and array.ndim == 1:
        return _enclosed(" ".join("T" if flag else "F" for flag in array.tolist()))
    if array.dtype.kind in "iuf" and (array.ndim < 2 or key in ("stress", "virial")):
        # ASE takes these two column by column. Python's shortest form of a number is exact.
        return _enclosed(" ".join(map(repr, np.ravel(array, order="F").tolist())))
    return _enclosed(f"_JSON {json.dumps(array.tolist())}")


def _enclosed(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
