"""``input.data`` of n2p2 and RuNNer: structures with energies, charges and forces.

RuNNer has bohr and hartree, n2p2 takes what its user trains with, and no file says which: the user
does. An atom's line is ``atom x y z element charge energy fx fy fz``, unless the line ``begin`` of
RuNNer 2 names other columns: ``begin position(3) element charge forces(3)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_potentials.atomic_units import BOHR
from matsciml_reader_potentials.blocks import read_blocks
from matsciml_reader_potentials.config import UnitsConfig

UNITS = {
    "atomic": {"energy": "Ha", "atom_energy": "Ha", "forces": "Ha/bohr"},
    "metal": {"energy": "eV", "atom_energy": "eV", "forces": "eV/A"},
}
_COLUMNS = ("charge", "atom_energy", "forces(3)")
"""Behind position and element, where a structure does not say."""
_COLUMN = re.compile(r"([\w-]+)(?:\((\d+)\))?")
_NAMES = {"charge": "charges", "force": "forces", "initial_charges": "charges"}
"""Name of a column → of the value; RuNNer 2 has more than one name for some."""


class N2P2Reader(Reader):
    """Reads the structures of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures; one that is broken or torn as a rejection.

        Args:
            file: The file.

        Raises:
            ConfigError: The units are not said.
            DataError: There is no structure in it.
        """
        units = self.config.units if isinstance(self.config, UnitsConfig) else ""
        if not units:
            raise ConfigError(
                f"'{file.path}' does not say its units; write --set units=atomic for bohr and "
                "hartree, or --set units=metal for Å and eV."
            )
        yield from read_blocks(file, "begin", "end", partial(_parse, units=units), "structure")


def _parse(lines: list[list[str]], name: str, units: str) -> Frame:
    length = BOHR if units == "atomic" else 1.0
    vectors, atoms = [], []
    rows: dict[str, list[list[float]]] = {}
    values: dict[str, Any] = {}
    for key, *words in lines[1:]:
        if key == "lattice":
            vectors.append([float(word) for word in words])
        elif key == "atom":
            atoms.append(words)
        elif key == "comment":
            values["comment"] = " ".join(words)
        elif not key.startswith("#"):
            rows.setdefault(key, []).append([float(word) for word in words])
    for key, numbers in rows.items():
        table = np.array(numbers)
        values[key] = table.item() if table.size == 1 else table
    positions = np.array([atom[:3] for atom in atoms], dtype=np.float64)
    # No lattice vectors: a molecule. One or two are no structure of n2p2.
    cell = np.array(vectors or np.zeros((3, 3))).reshape(3, 3) * length
    return Frame(
        name=name,
        atomic_numbers=[atomic_number(atom[3]) or 0 for atom in atoms],
        positions=positions * length,
        cell=cell,
        pbc=(bool(vectors),) * 3,
        values={**values, **_columns(lines[0][1:], [atom[4:] for atom in atoms])},
        units=UNITS[units],
    )


def _columns(names: list[str], rows: list[list[str]]) -> dict[str, Any]:
    """Return what an atom's line has behind the element.

    Args:
        names: Columns that the structure names; empty: RuNNer's first version, and n2p2.
        rows: Their words.

    Raises:
        ValueError: A line has other columns than are named.
    """
    table = np.array(rows, dtype=np.float64)
    if names and names[:2] != ["position(3)", "element"]:
        raise ValueError
    values: dict[str, Any] = {}
    start = 0
    for column in names[2:] if names else _COLUMNS:
        match = _COLUMN.fullmatch(column)
        if match is None:
            raise ValueError
        width = int(match[2] or 1)
        block = table[:, start : start + width]
        if block.shape[1] < width:
            if names:
                raise ValueError
            break  # an energy alone, for example
        values[_NAMES.get(match[1], match[1])] = block[:, 0] if width == 1 else block
        start += width
    if names and start < table.shape[1]:
        raise ValueError
    return values
