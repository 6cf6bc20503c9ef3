"""The CIF files of the database, and what the toolkit made of them.

pymatgen wrote them: the conventional cell in full, beside the symmetry operations. So the atoms
are taken as they are listed, and no operation is applied to them; that they are all there is
checked against the formula.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from matsciml_core import Crystal
from matsciml_core.convert import cell_from_parameters
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Item, reason_of
from matsciml_core.errors import MatSciMLError
from matsciml_core.interfaces.elements import atomic_number

_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")
_PART = re.compile(r"([A-Z][a-z]?)(\d*)")
_INCOMPLETE = "The CIF file is incomplete."


@dataclass
class Block:
    """What a CIF file says: single values, and columns of its loops, by their names."""

    values: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)


def read_cif(name: str, text: str, energy: float | None) -> Item:
    """Return a CIF file as a crystal, or why it can't be one.

    Args:
        name: Id of the crystal.
        text: The file.
        energy: Formation energy, eV/atom; None: not known.
    """
    block = parse(text)
    try:
        symbols = block.columns["_atom_site_type_symbol"]
        axes = [block.columns[f"_atom_site_fract_{axis}"] for axis in "xyz"]
        occupancy = block.columns.get("_atom_site_occupancy", ["1"])  # CIF's default is 1
        if any(_number(value) != 1.0 for value in occupancy):
            return Rejection(name, "A site is only partly occupied.")
        numbers = [atomic_number(symbol) or 0 for symbol in symbols]
        fractional = [[_number(value) for value in axis] for axis in axes]
        return make_crystal(name, block.values, numbers, np.array(fractional).T, energy)
    except (KeyError, ValueError):
        return Rejection(name, _INCOMPLETE)


def make_crystal(
    name: str,
    values: Mapping[str, str],
    numbers: Sequence[int],
    fractional: np.ndarray,
    energy: float | None,
) -> Item:
    """Return a crystal of lattice parameters and fractional coordinates, or why it can't be one.

    Args:
        name: Id of the crystal.
        values: The single values of the CIF file.
        numbers: Atomic numbers, ``(atoms,)``; 0: no element.
        fractional: Coordinates in units of the lattice vectors, ``(atoms, 3)``, dimensionless.
        energy: Formation energy, eV/atom; None: not known.
    """
    try:
        if not all(numbers):
            return Rejection(name, "A site holds no chemical element.")
        # No symmetry operation is applied, so the list must be the whole cell.
        if Counter(numbers) != _formula(values["_chemical_formula_sum"]):
            return Rejection(name, "The atoms listed are not those of the formula.")
        # The number on record; that it is the structure's own is not checked for each crystal.
        group = int(values["_symmetry_Int_Tables_number"])
        if not 1 <= group <= 230:
            return Rejection(name, "The number of the space group is none.")
        lengths = [_number(values[f"_cell_length_{axis}"]) for axis in "abc"]
        angles = [_number(values[f"_cell_angle_{axis}"]) for axis in ("alpha", "beta", "gamma")]
        labels = {"formation_energy_per_atom": energy, "space_group": group - 1}
        return Crystal.from_fractional(
            id=name,
            atomic_numbers=numbers,
            fractional=fractional,
            cell=cell_from_parameters(lengths, angles),
            labels={key: value for key, value in labels.items() if value is not None},
        )
    except (KeyError, ValueError):
        return Rejection(name, _INCOMPLETE)
    except MatSciMLError as error:
        return Rejection(name, reason_of(error))


def parse(text: str) -> Block:
    """Return the values and loops of a CIF file with one block.

    Args:
        text: The file, as pymatgen writes it: a row of a loop on a line, no text over several.
    """
    block, header = Block(), list[str]()
    in_loop = in_header = False
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("#", "data_")):
            continue
        if line.startswith("loop_"):
            in_loop, in_header, header = True, True, []
        elif line.startswith("_"):
            tokens = _TOKEN.findall(line)
            if in_header and len(tokens) == 1:
                header.append(tokens[0])
                continue
            # A name with a value ends the loop before it.
            in_loop = in_header = False
            block.values[tokens[0]] = " ".join(tokens[1:]).strip("'\"")
        elif in_loop:
            in_header = False
            tokens = [token.strip("'\"") for token in _TOKEN.findall(line)]
            for column, token in zip(header, tokens, strict=False):
                block.columns.setdefault(column, []).append(token)
    return block


def _formula(text: str) -> Counter[int]:
    """Return the atoms of a formula such as ``Tc1 Ir8 S6``, by atomic number."""
    return Counter(
        {atomic_number(symbol) or 0: int(count or 1) for symbol, count in _PART.findall(text)}
    )


def _number(text: str) -> float:
    """Return a number, which CIF may write with its uncertainty, as ``6.48(2)``."""
    return float(text.partition("(")[0])
