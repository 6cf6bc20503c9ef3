"""XSF of XCrySDen: structures and animations, also with the energies that aenet adds.

XCrySDen defines the forces behind the coordinates in hartree/Å. aenet trains on files of the same
form whose forces are in eV/Å, and whose energy stands in a comment, ``# total energy = -1.5 eV``:
that comment decides. ASE 3.29.0 passes over it, and makes these forces 27 times too large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.data.readers.torn import lacks_digits
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import SYMBOLS, atomic_number
from matsciml_reader_ase.abinit import HARTREE

_ENERGY = re.compile(r"#\s*total energy\s*=\s*(\S+)\s*eV", re.IGNORECASE)
_PERIODIC = {"CRYSTAL": 3, "SLAB": 2, "POLYMER": 1, "MOLECULE": 0}
"""How many directions are periodic, from the first on."""
_TORN = "The file ends before the end of the structure."


class XSFReader(Reader):
    """Reads the structures of a file; grids of densities behind them are passed over."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures; one that is broken or torn as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: There is no structure in it, or one energy for several.
        """
        with file.open_text() as stream:
            text = stream.read()
        energy = _ENERGY.search(text)
        lines = [line.split() for line in text.splitlines() if line.strip()]
        lines = [words for words in lines if not words[0].startswith("#")]
        steps = next((int(words[1]) for words in lines if words[0] == "ANIMSTEPS"), 0)
        if steps > 1 and energy is not None:
            raise DataError(
                f"'{file.path}' has one energy in a comment for {steps} structures; write a file "
                "for each of them."
            )
        cell, periodic, count = np.zeros((3, 3)), 0, 0
        for index, words in enumerate(lines):
            key = words[0]
            if key.startswith("BEGIN_BLOCK"):
                break
            periodic = _PERIODIC.get(key, periodic)
            if key not in ("PRIMVEC", "PRIMCOORD", "ATOMS"):
                continue
            name = f"{file.stem}-{count:06d}"
            try:
                if key == "PRIMVEC":
                    cell = np.array(lines[index + 1 : index + 4], dtype=np.float64).reshape(3, 3)
                    continue
                rows = _rows(lines[index + 1 :], key)
                _check_last(rows, lines, text)
                yield _frame(name, rows, cell, periodic, energy)
            except DataError as error:
                yield Rejection.of(name, error)
            except (IndexError, ValueError):
                yield Rejection(name, "The structure is incomplete, or not as XSF writes it.")
            count += 1
        if not count:
            raise DataError(f"'{file.path}' has no structure of XSF, PRIMCOORD or ATOMS.")
        if count < steps:
            yield Rejection(f"{file.stem}-{count:06d}", _TORN)


def _rows(lines: Sequence[list[str]], key: str) -> list[list[str]]:
    """Return the words of the atoms behind a key."""
    if key == "PRIMCOORD":
        count = int(lines[0][0])
        rows = list(lines[1 : 1 + count])
        if len(rows) < count:
            raise DataError(_TORN)
        return rows
    behind = (index for index, words in enumerate(lines) if len(words) < len("xyz"))
    return list(lines[: next(behind, len(lines))])


def _check_last(rows: list[list[str]], lines: list[list[str]], text: str) -> None:
    """Check the number in which a file ends that has no end of its last line.

    Raises:
        DataError: It has fewer digits, or its line fewer numbers, than those before.
    """
    if text.endswith("\n") or rows[-1] is not lines[-1]:
        return
    if lacks_digits(rows[-1][-1], [row[-1] for row in rows[:-1]]):
        raise DataError(_TORN)


def _frame(
    name: str,
    rows: list[list[str]],
    cell: np.ndarray[Any, np.dtype[np.float64]],
    periodic: int,
    energy: re.Match[str] | None,
) -> Frame:
    """Return a structure.

    Raises:
        DataError: It has an element that is none, or a periodic direction without a vector.
        ValueError: Its rows are no numbers, or of different lengths.
    """
    symbols = [
        SYMBOLS[int(row[0]) - 1] if row[0].isdigit() and int(row[0]) else row[0] for row in rows
    ]
    numbers = [atomic_number(symbol) for symbol in symbols]
    if None in numbers:
        raise DataError(f"'{symbols[numbers.index(None)]}' is no element.")
    table = np.array([row[1:] for row in rows], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] not in (3, 6):
        raise DataError("An atom has neither three coordinates nor three more of its force.")
    if periodic and not cell[:periodic].any(axis=1).all():
        raise DataError("The structure is periodic, and has no lattice vectors before it.")
    values: dict[str, Any] = isotope_masses(symbols)
    if table.shape[1] == 6:
        values["forces"] = table[:, 3:] * (HARTREE if energy is None else 1.0)
    if energy is not None:
        values["energy"] = float(energy[1])
    return Frame(
        name=name,
        atomic_numbers=[number for number in numbers if number is not None],
        positions=table[:, :3],
        cell=cell if periodic else np.zeros((3, 3)),
        pbc=[axis < periodic for axis in range(3)],
        values=values,
        units={"energy": "eV", "forces": "eV/A"},
    )
