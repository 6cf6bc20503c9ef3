"""``ML_AB`` and ``ML_ABN`` of VASP: what its machine-learned force fields are trained on.

Titles stand between ruled lines; whatever else there is, the basis sets of the force field among
it, is passed over. Positions are Cartesian, and the stress is in kbar, xx, yy, zz, xy, yz, zx. Its
sign is not documented; VASP's other files have it positive under compression, and so it is read.
The energy of VASP's own files is the free energy, which forces belong to; converters also write
others, and nothing in the file tells which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.data.readers.torn import lacks_digits
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number

UNITS = {"energy": "eV", "forces": "eV/A", "stress": "kbar:vasp"}
_BEGIN = "Configuration num."
_COUNT = "The number of configurations"
_RULED = re.compile(r"\s*([*=-])\1{9,}\s*")
_TORN = "The file ends before the end of the configuration."


class MLABReader(Reader):
    """Reads the configurations of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the configurations; one that is broken or torn as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: There is no configuration in it.
        """
        count, expected, last = 0, 0, ""
        block: list[str] | None = None
        header: list[str] = []
        with file.open_text() as stream:
            for line in stream:
                last = line
                if line.strip().startswith(_BEGIN):
                    if block is None:
                        expected = _expected(header)
                    else:
                        yield _record(block, f"{file.stem}-{count:06d}")
                        count += 1
                    block = []
                elif block is None:
                    header.append(line)
                else:
                    block.append(line)
        if block is None:
            raise DataError(f"'{file.path}' has no line '{_BEGIN}' before a configuration.")
        name = f"{file.stem}-{count:06d}"
        yield Rejection(name, _TORN) if _is_torn(last, block) else _record(block, name)
        if count + 1 < expected:
            reason = "The file ends before the last of its configurations."
            detail = f"The file says that it has {expected} configurations, and has {count + 1}."
            yield Rejection(f"{file.stem}-{count + 1:06d}", reason, detail)


def _expected(header: list[str]) -> int:
    """Return how many configurations there should be; 0: the file does not say."""
    texts = [line.strip() for line in header if not _RULED.fullmatch(line)]
    behind = dict(pairwise(texts))
    return int(behind[_COUNT]) if behind.get(_COUNT, "").isdigit() else 0


def _is_torn(last: str, block: list[str]) -> bool:
    """Return whether the last line has no end, and its last number fewer digits than others."""
    if last.endswith("\n"):
        return False
    words = " ".join(block).split()
    numbers = [word for word in words[:-1] if "." in word and word[-1].isdigit()]
    return len(last.split()) < 3 or lacks_digits(words[-1], numbers)


def _record(block: list[str], name: str) -> Record:
    """Return a configuration."""
    sections: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in block:
        if _RULED.fullmatch(line):
            # A title is a line of its own, and its numbers come between the next ruled lines.
            title = " ".join(rows[0]) if len(rows) == 1 else ""
            rows = sections.setdefault(title, []) if title else []
        elif line.strip():
            rows.append(line.split())
    try:
        return _frame(sections, name)
    except DataError as error:
        return Rejection.of(name, error)
    except KeyError:
        return Rejection(name, _TORN)
    except (IndexError, ValueError):
        return Rejection(name, "The configuration is incomplete, or not as VASP writes it.")


def _frame(sections: dict[str, list[list[str]]], name: str) -> Frame:
    symbols: list[str] = []
    for symbol, count in sections["Atom types and atom numbers"]:
        symbols += [symbol] * int(count)
    numbers = [atomic_number(symbol) for symbol in symbols]
    if None in numbers:
        raise DataError(f"'{symbols[numbers.index(None)]}' is no element.")
    atoms = int(sections["The number of atoms"][0][0])
    if atoms != len(symbols):
        raise DataError("The configuration has another number of atoms than it says.")
    (energy,) = _table(sections["Total energy (eV)"], 1).ravel()
    xx, yy, zz = _table(sections["XX YY ZZ"], 1).ravel()
    xy, yz, zx = _table(sections["XY YZ ZX"], 1).ravel()
    return Frame(
        name=name,
        atomic_numbers=[number for number in numbers if number is not None],
        positions=_table(sections["Atomic positions (ang.)"], atoms),
        cell=_table(sections["Primitive lattice vectors (ang.)"], 3),
        values={
            "energy": float(energy),
            "forces": _table(sections["Forces (eV ang.^-1)"], atoms),
            "stress": np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]),
            "system": " ".join(sections["System name"][0]) if sections["System name"] else "",
            **isotope_masses(symbols),
        },
        units=UNITS,
    )


def _table(rows: list[list[str]], count: int) -> NDArray[np.float64]:
    """Return so many rows of numbers.

    Raises:
        ValueError: There are more or fewer, or they are no numbers.
    """
    table = np.array(rows, dtype=np.float64)
    if len(table) != count:
        raise ValueError
    return table
