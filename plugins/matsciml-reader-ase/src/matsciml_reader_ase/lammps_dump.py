"""Dumps of LAMMPS, ``dump atom`` and ``dump custom``.

What a guess gets wrong of them, LAMMPS 22Jul2025:

- The bounds of a skewed box are those of a box around it; the edges follow from them and the three
  tilts, or stand there as vectors (``triclinic/general``).
- Atoms come in any order, another one in each frame; here they are sorted by ``id``.
- ``element`` is C for every atom, also for gold, unless ``dump_modify element`` said otherwise.
- Scaled coordinates count from the corner of the box, which need not be the origin.
- Numbers are in the units of the run, which only ``dump_modify units yes`` writes down.

ASE 3.29.0 takes all for metal units, passes over ``ITEM: UNITS``, makes hydrogen of type 1, and
adds an energy of zero where there are forces. A dump has no energy; ``timestep`` is a value that
can name records, and find those of a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_ase.config import LammpsConfig
from matsciml_reader_ase.lammps import Units, check_masses, isotopes_of, units_of

_FRAME = "ITEM: TIMESTEP"
_BEFORE = ("ITEM: UNITS", "ITEM: TIME")
"""Sections that stand before the one which begins a frame; units before the first alone."""
_COORDINATES = (("x", 1), ("xu", 1), ("xs", 0), ("xsu", 0))
"""Name of the first of three columns, and whether it is Cartesian; the first that is there."""
_VECTORS = {"forces": "f", "velocities": "v"}
_NO_VALUES = frozenset({"id", "type", "mass", "q", "ix", "iy", "iz"})
_TORN = "The file ends before the end of the frame."


class LammpsDumpReader(Reader):
    """Reads the frames of a dump.

    Args:
        config: Elements of the types, and units, where the file does not say them.
    """

    config: LammpsConfig

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the frames; those that are broken or torn as rejections.

        Args:
            file: The file.

        Raises:
            ConfigError: Elements or units are not said.
            DataError: It is no dump, or in units that are not read.
        """
        elements = self.config.symbols
        units: Units | None = None
        for index, (sections, whole) in enumerate(_frames(file)):
            name = f"{file.stem}-{index:06d}"
            # Said once, at the beginning of the file.
            if units is None:
                stated = " ".join(sections.get("ITEM: UNITS", [""]))
                units = units_of(file, stated.strip(), self.config)
            try:
                if not whole:
                    raise DataError(_TORN)
                yield _frame(sections, name, units, elements)
            except DataError as error:
                yield Rejection.of(name, error)
            except (KeyError, IndexError, ValueError):
                yield Rejection(name, "The frame is incomplete, or not as LAMMPS writes it.")
        if units is None:
            raise DataError(f"'{file.path}' has no frame of LAMMPS.")


def _frames(file: InputFile) -> Iterator[tuple[dict[str, list[str]], bool]]:
    """Yield the sections of each frame, lines by header, and whether it was written to its end."""
    sections: dict[str, list[str]] = {}
    rows: list[str] = []
    line = "\n"
    with file.open_text() as stream:
        for line in stream:
            if not line.startswith("ITEM: "):
                rows.append(line)
                continue
            header = line.strip()
            if any(key.startswith("ITEM: ATOMS") for key in sections):
                yield sections, True
                sections = {}
            rows = sections.setdefault(header, [])
    if sections:
        # A last line without an end may have half a number.
        yield sections, line.endswith("\n")


def _section(sections: dict[str, list[str]], name: str) -> tuple[list[str], list[str]]:
    """Return the words behind the name of a section, and its lines."""
    header = next(key for key in sections if key.startswith(name))
    return header[len(name) :].split(), sections[header]


def _frame(sections: dict[str, list[str]], name: str, units: Units, elements: list[str]) -> Frame:
    """Return a frame.

    Raises:
        DataError: Something is missing or contradicts itself, in words of its own.
        ConfigError: The elements are not said.
        KeyError, IndexError, ValueError: Words are missing, or are no numbers.
    """
    if not any(key.startswith("ITEM: ATOMS") for key in sections):
        raise DataError(_TORN)
    header, lines = _section(sections, "ITEM: ATOMS")
    count = int(sections["ITEM: NUMBER OF ATOMS"][0])
    if len(lines) != count:
        raise DataError(f"The frame has {len(lines)} atoms, and says that it has {count}.")
    columns = _columns(header, lines)
    cell, origin, pbc = _box(*_section(sections, "ITEM: BOX BOUNDS"))
    masses = columns["mass"].astype(float) * units.mass if "mass" in columns else None
    symbols = _symbols(columns, elements, masses)
    numbers = np.array([atomic_number(symbol) for symbol in symbols], dtype=np.int64)
    if masses is not None:
        check_masses(numbers, masses)
    values: dict[str, Any] = {"timestep": int(sections[_FRAME][0])}
    values |= isotopes_of(symbols, numbers, masses)
    factors = {"forces": units.force, "velocities": units.velocity}
    for key, letter in _VECTORS.items():
        vector = _vector(columns, letter)
        if vector is not None:
            values[key] = vector * factors[key]
    if "q" in columns:
        values["charges"] = columns["q"].astype(float) * units.charge
    for key, column in columns.items():
        # Energies of atoms, for example, in the units of the run.
        if column.dtype.kind == "f" and key not in _NO_VALUES:
            values.setdefault(key, column)
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=_positions(columns, cell, origin) * units.length,
        cell=cell * units.length,
        pbc=pbc,
        values=values,
        units={"forces": "eV/A"},
    )


def _columns(header: list[str], lines: list[str]) -> dict[str, NDArray[Any]]:
    """Return the columns of a table, sorted by the atoms' numbers; those of words as text."""
    rows = [line.split() for line in lines]
    if any(len(row) != len(header) for row in rows):
        raise DataError("An atom has another number of columns than the header names.")
    columns: dict[str, NDArray[Any]] = {}
    for key, words in zip(header, zip(*rows, strict=True), strict=True):
        columns[key] = np.array(words)
        with suppress(ValueError):
            columns[key] = np.array(list(map(float, words)))
    if "id" not in columns:
        return columns
    order = np.argsort(columns["id"], kind="stable")
    if (np.diff(columns["id"][order]) == 0).any():
        raise DataError("Two atoms of the frame have the same id.")
    return {key: column[order] for key, column in columns.items()}


def _symbols(
    columns: dict[str, NDArray[Any]], elements: list[str], masses: NDArray[np.float64] | None
) -> list[str]:
    """Return the elements of the atoms, as the user names them, or the file.

    Raises:
        ConfigError: Nobody does.
        DataError: A type has none.
    """
    known = masses is not None and np.abs(masses - 12.011).max() < 3  # carbon, with its isotopes
    if elements and "type" in columns:
        types = columns["type"].astype(int)
        if types.min() < 1 or types.max() > len(elements):
            raise DataError(
                f"Type {types.max()} has no element; name {types.max()} of them with "
                "--set elements."
            )
        return [elements[kind - 1] for kind in types.tolist()]
    for key in ("element", "typelabel"):
        words = columns.get(key, np.array([])).tolist()
        if set(words) == {"C"} and key == "element" and not known:
            raise ConfigError(
                "The dump calls every atom C, which LAMMPS also writes where it was not told the "
                "elements; name them from type 1 on, for example with --set elements=C or "
                "--set elements=Cu,O."
            )
        if words and None not in map(atomic_number, map(str, words)):
            return [str(word) for word in words]
    raise ConfigError(
        "The dump numbers its types, and does not say which elements they are; name them from "
        "type 1 on, for example with --set elements=Cu,O."
    )


def _positions(
    columns: dict[str, NDArray[Any]], cell: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Cartesian coordinates, in the unit of the file."""
    for first, cartesian in _COORDINATES:
        positions = _vector(columns, "", first[1:])
        if positions is not None:
            return positions if cartesian else positions @ cell + origin
    raise DataError("The dump has no coordinates; write x y z, xs ys zs or xu yu zu with it.")


def _vector(
    columns: dict[str, NDArray[Any]], before: str, behind: str = ""
) -> NDArray[np.float64] | None:
    """Return three columns that are called like x, y and z, ``(atoms, 3)``, and take them out."""
    names = [f"{before}{axis}{behind}" for axis in "xyz"]
    if any(name not in columns for name in names):
        return None
    return np.stack([columns.pop(name).astype(float) for name in names], axis=1)


def _box(
    words: list[str], lines: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return lattice vectors as rows, the corner where they begin, and which are periodic.

    The manual of LAMMPS, ``Howto_triclinic``, has the bounds in which a skewed box lies.
    """
    table = np.array([line.split() for line in lines[:3]], dtype=np.float64)
    flags = [word for word in words if len(word) == 2 and set(word) <= set("pfsm")]
    # Releases before 2010 did not write them; periodic is what LAMMPS runs without a word.
    pbc = np.array([flag == "pp" for flag in flags or ["pp"] * 3])
    if words[:1] == ["abc"]:
        return table[:, :3], table[:, 3], pbc
    low, high = table[:, 0], table[:, 1]
    xy, xz, yz = table[:, 2] if words[:1] == ["xy"] else (0.0, 0.0, 0.0)
    low = low - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = high - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, low, pbc
