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
    else:
        # A negative factor is the volume of the cell, Å³.
        volume = abs(np.linalg.det(vectors))
        scale = scales[0] if scales[0] > 0 else (-scales[0] / volume) ** (1 / 3)
    cell = vectors * scale
    words, row = lines[5].split(), 6
    counted = all(word.isdigit() for word in words)
    counts = [int(word) for word in (words if counted else lines[6].split()) if word.isdigit()]
    row += not counted
    selective = lines[row].strip()[:1] in ("s", "S")
    row += selective
    cartesian = lines[row].strip()[:1] in ("c", "C", "k", "K")
    rows = [line.split() for line in lines[row + 1 : row + 1 + sum(counts)]]
    if len(rows) < sum(counts) or any(len(entry) < 3 for entry in rows):
        raise DataError(f"The POSCAR announces {sum(counts)} atoms and has fewer.")
    symbols = _symbols(None if counted else words, counts, lines[0], rows)
    coordinates: NDArray[np.float64] = np.array([entry[:3] for entry in rows], dtype=np.float64)
    held = [[flag.strip(".")[:1] in "Ff" for flag in entry[3:6]] for entry in rows]
    return Frame(
        name=name,
        atomic_numbers=symbols,
        positions=coordinates * scale if cartesian else coordinates @ cell,
        cell=cell,
        values=values,
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


def _symbols(
    words: list[str] | None, counts: list[int], comment: str, rows: list[list[str]]
) -> list[int]:
    """Return the atomic number of each atom.

    Raises:
        DataError: The file does not say it, which VASP 4 left to the POTCAR.
    """
    if words is None:
        ends = [_element(entry[-1]) for entry in rows]
        if all(ends):
            return [number for number in ends if number]
        # Some programs write the symbols into the comment; nothing else would be a guess.
        words = comment.split()
        if len(words) != len(counts) or not all(map(_element, words)):
            raise DataError(
                "The POSCAR has no line of symbols (VASP 4), so what its atoms are is only in the "
                "POTCAR; write the symbols into a line above the numbers of atoms."
            )
    numbers = [number for word in words if (number := _element(word))]
    if len(numbers) != len(words) or len(words) != len(counts):
        raise DataError(f"The POSCAR has the symbols '{' '.join(words)}' for {counts} atoms.")
    return [number for number, count in zip(numbers, counts, strict=True) for _ in range(count)]


def _element(word: str) -> int | None:
    match = _SYMBOL.fullmatch(word)
    return None if match is None else atomic_number(match[1])
