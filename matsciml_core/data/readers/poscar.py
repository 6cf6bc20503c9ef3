"""POSCAR and CONTCAR of VASP, read here: every library guesses where the file leaves a gap.

Without a line of symbols (VASP 4), pymatgen 2026.10 invents H, He, … and warns; of three scale
factors, which VASP 6 allows, it makes an error. See vasp.at/wiki/POSCAR for the format.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.frames import Frame
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.interfaces.held import held_properties

_SYMBOL = re.compile(r"([A-Z][a-z]?)(?:[_/].*)?")
"""An element, and what POTCAR files add: ``Na_pv``, ``Na_pv/8f2b``."""


def frame_from_poscar(text: str, name: str, values: dict[str, Any]) -> Frame | Rejection:
    """Return the record of a POSCAR.

    Args:
        text: The file.
        name: What the record is called.
        values: What was written beside it.

    Returns:
        A frame, with atoms that selective dynamics hold as site properties; or a rejection.
    """
    try:
        return _parse(text.splitlines(), name, values)
    except DataError as error:
        return Rejection.of(name, error)
    except (ValueError, IndexError) as error:
        reason = "The POSCAR ends too early, or has words in place of numbers."
        return Rejection(name, reason, f"{reason[:-1]} ({error}).")


def _parse(lines: list[str], name: str, values: dict[str, Any]) -> Frame:
    scales = _leading_numbers(lines[1])
    vectors = np.array([line.split()[:3] for line in lines[2:5]], dtype=np.float64)
    if len(scales) == 3:
        scale: Any = np.array(scales)  # of x, y and z
        if min(scales) <= 0:
            raise DataError("The POSCAR has three scale factors, which must be positive.")
    else:
        # A negative factor is the volume of the cell, Å³.
        volume = abs(np.linalg.det(vectors))
        scale = scales[0] if scales[0] > 0 else (-scales[0] / volume) ** (1 / 3)
    cell = vectors * scale
    words, row = _words(lines[5]), 6
    counted = all(word.isdigit() for word in words)
    counts = [int(word) for word in (words if counted else _words(lines[6])) if word.isdigit()]
    row += not counted
    selective = lines[row].strip()[:1] in ("s", "S")
    row += selective
    cartesian = lines[row].strip()[:1] in ("c", "C", "k", "K")
    rows = [line.split() for line in lines[row + 1 : row + 1 + sum(counts)]]
    if len(rows) < sum(counts) or any(len(entry) < 3 for entry in rows):
        raise DataError(f"The POSCAR announces {sum(counts)} atoms and has fewer.")
    # Behind coordinates and flags, of which T and F would be tritium and fluorine.
    ends = ["".join(entry[6 if selective else 3 :][:1]) for entry in rows]
    symbols = _symbols(None if counted else words, counts, lines[0], ends)
    _check_ends(symbols, ends)
    coordinates: NDArray[np.float64] = np.array([entry[:3] for entry in rows], dtype=np.float64)
    held = [[flag.strip(".")[:1] in "Ff" for flag in entry[3:6]] for entry in rows]
    return Frame(
        name=name,
        atomic_numbers=[atomic_number(entry) or 0 for entry in symbols],
        positions=coordinates * scale if cartesian else coordinates @ cell,
        cell=cell,
        values=isotope_masses(symbols)
        | _velocities(lines[row + 1 + sum(counts) :], sum(counts))
        | values,
        # "F" holds the coordinate along a lattice vector.
        site_properties=held_properties(held, along_lattice=True) if selective else {},
    )


def _leading_numbers(line: str) -> list[float]:
    """Return the numbers that a line begins with; comments may follow."""
    numbers: list[float] = []
    for word in line.split():
        try:
            numbers.append(float(word))
        except ValueError:
            break
    if len(numbers) not in (1, 3):
        raise DataError(f"The POSCAR has {len(numbers)} scale factors; there must be one or three.")
    return numbers


def _words(line: str) -> list[str]:
    """Return the words of a line, without a comment behind them."""
    return re.split(r"[!#]", line)[0].split()


def _velocities(lines: list[str], atoms: int) -> dict[str, NDArray[np.float64]]:
    """Return ``velocities``, ``(atoms, 3)``, Å/fs, where some atom moves; else nothing.

    VASP writes zeros behind a relaxation. Those in lattice vectors, and behind what a thermostat
    did to the cell, are not read.
    """
    rows = [line.split() for line in lines[1 : 1 + atoms]]
    if not lines or lines[0].strip()[:1] not in ("", "c", "C", "k", "K"):
        return {}
    if len(rows) < atoms or any(len(entry) != 3 for entry in rows):
        return {}
    velocities = np.array(rows, dtype=np.float64)
    return {"velocities": velocities} if velocities.any() else {}


def _check_ends(symbols: list[str], ends: list[str]) -> None:
    """Reject lines of atoms that end with another symbol than the header gives them.

    Raises:
        DataError: One does.
    """
    for index, (symbol, word) in enumerate(zip(symbols, ends, strict=True)):
        end = _element(word)
        if end is not None and end != symbol:
            raise DataError(
                f"The POSCAR says by its line of symbols that atom {index + 1} is {symbol}, and "
                f"at the end of the atom's line that it is {end}; correct one of them."
            )


def _symbols(
    words: list[str] | None, counts: list[int], comment: str, ends: list[str]
) -> list[str]:
    """Return the symbol of each atom.

    Raises:
        DataError: The file does not say it, which VASP 4 left to the POTCAR.
    """
    if words is None:
        named = [symbol for word in ends if (symbol := _element(word))]
        if len(named) == len(ends):
            return named
        # Some programs write the symbols into the comment; nothing else would be a guess.
        words = comment.split()
        if len(words) != len(counts) or not all(map(_element, words)):
            raise DataError(
                "The POSCAR has no line of symbols (VASP 4), so what its atoms are is only in the "
                "POTCAR; write the symbols into a line above the numbers of atoms."
            )
    symbols = [symbol for word in words if (symbol := _element(word))]
    if len(symbols) != len(words) or len(words) != len(counts):
        raise DataError(f"The POSCAR has the symbols '{' '.join(words)}' for {counts} atoms.")
    return [symbol for symbol, count in zip(symbols, counts, strict=True) for _ in range(count)]


def _element(word: str) -> str | None:
    """Return the symbol of an element or isotope without what POTCAR files add."""
    match = _SYMBOL.fullmatch(word)
    return match[1] if match and atomic_number(match[1]) is not None else None
