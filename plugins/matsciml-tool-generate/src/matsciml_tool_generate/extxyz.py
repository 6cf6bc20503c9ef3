"""Extended XYZ: written plainly, and read so that one broken record does not spoil the file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.frames import Frame
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import SYMBOLS, symbol

_PAIR = re.compile(r'([^\s="]+)=(?:"([^"]*)"|\{([^}]*)\}|(\S+))')
_PROPERTIES = "species:S:1:pos:R:3"
_NAMES = ("id", "material_id", "name")
_NUMBERS = {name: number for number, name in enumerate(SYMBOLS, 1)}
_NUMBERS |= {str(number): number for number in _NUMBERS.values()}


def write_crystal(stream: TextIO, crystal: Crystal, values: Mapping[str, float | str]) -> None:
    """Append one crystal.

    Args:
        stream: An open text file.
        crystal: The crystal; its labels are not written.
        values: What else to say of it, by name.
    """
    cell = " ".join(f"{value:.10g}" for value in crystal.cell.ravel().tolist())
    more = "".join(f" {name}={_quoted(value)}" for name, value in values.items())
    periodic = " ".join("T" if flag else "F" for flag in crystal.pbc.tolist())
    stream.write(f"{crystal.num_atoms}\n")
    stream.write(
        f'Lattice="{cell}" Properties={_PROPERTIES} pbc="{periodic}" id={_quoted(crystal.id)}'
        f"{more}\n"
    )
    for number, place in zip(
        crystal.atomic_numbers.tolist(), crystal.positions.tolist(), strict=True
    ):
        stream.write(f"{symbol(number):2s} {place[0]:.10f} {place[1]:.10f} {place[2]:.10f}\n")


def write_extxyz(path: Path, crystals: Iterable[Crystal]) -> None:
    """Write crystals to a file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        for crystal in crystals:
            write_crystal(stream, crystal, {})
    part.replace(path)


def read_extxyz(path: Path) -> Iterator[Frame | Rejection]:
    """Yield one record for each structure.

    A record with a broken line is rejected, and the next one is read; where the number of atoms
    itself cannot be read, so that it is not known where the next one begins, the rest of the file
    is one rejection. Species that are no element have the atomic number 0.

    Args:
        path: The file.

    Raises:
        DataError: The file does not begin like extended XYZ.
    """
    stem = path.name.split(".")[0]
    with path.open(encoding="utf-8", errors="replace") as stream:
        number = 0
        for line in stream:
            if not line.strip():
                continue
            try:
                atoms = int(line)
            except ValueError:
                if number == 0:
                    raise DataError(
                        f"'{path}' is no extended XYZ file: its first line is no number of atoms."
                    ) from None
                yield Rejection(f"{stem}-{number:06d}", "A number of atoms is expected here.")
                return
            yield _frame(stream, atoms, f"{stem}-{number:06d}")
            number += 1


def _frame(stream: TextIO, atoms: int, name: str) -> Frame | Rejection:
    header = stream.readline()
    # Of an absurd number of atoms no more lines are taken than there are.
    lines = list(islice(stream, min(max(atoms, 0), sys.maxsize)))
    pairs = {
        match[1]: next(part for part in match.groups()[1:] if part is not None)
        for match in _PAIR.finditer(header)
    }
    own = next((pairs[key] for key in _NAMES if pairs.get(key)), name)
    if len(lines) < atoms:
        return Rejection(own, "The file ends before its last atom.")
    try:
        numbers, positions = _atoms(lines, pairs.get("Properties", _PROPERTIES))
        cell = np.array(pairs["Lattice"].split(), dtype=np.float64).reshape(3, 3)
    except (KeyError, ValueError, IndexError):
        return Rejection(own, "The record is broken.")
    values = {key: value for key, value in pairs.items() if key not in ("Lattice", "Properties")}
    return Frame(name=own, atomic_numbers=numbers, positions=positions, cell=cell, values=values)


def _atoms(lines: list[str], properties: str) -> tuple[list[int], NDArray[np.float64]]:
    columns, start = {}, 0
    parts = properties.split(":")
    for name, width in zip(parts[0::3], parts[2::3], strict=True):
        columns[name] = start
        start += int(width)
    species, place = columns["species"], columns["pos"]
    rows = [line.split() for line in lines]
    numbers = [_NUMBERS.get(row[species], 0) for row in rows]
    positions = np.array([row[place : place + 3] for row in rows], dtype=np.float64)
    return numbers, positions.reshape(-1, 3)


def _quoted(value: float | str) -> str:
    text = f"{value:.8g}" if isinstance(value, float) else str(value)
    bare = text.replace('"', "'")
    return f'"{bare}"' if re.search(r"[\s=]", bare) or not bare else bare
