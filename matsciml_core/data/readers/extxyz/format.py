"""Extended XYZ as a file format: what a frame says becomes a record, with ASE's meanings.

The keys of the second line and the columns keep their names, except that ``charge`` is called
``charges``, as in ASE. The values of energies, forces and stress are what the file has: also the
forces on atoms that are held in place, which ASE's ``get_forces()`` sets to zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.extxyz.columns import ISOTOPES, SPECIES
from matsciml_core.data.readers.extxyz.scan import XYZFault, XYZFrame, scan_extended_xyz
from matsciml_core.data.readers.extxyz.second_line import LATTICE, PBC, PROPERTIES, parse_value
from matsciml_core.data.readers.frames import ID_KEYS, Frame, Record, name_of
from matsciml_core.data.readers.input_file import InputFile
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.data.readers.reader import Reader
from matsciml_core.errors import DataError
from matsciml_core.interfaces.held import HELD_AXES, held_properties

_NUMBERS = ("Z", "numbers", SPECIES, "symbols")
"""Columns that say what the atoms are, the first one that is there."""
_POSITIONS = ("pos", "positions")
_RENAMED = {"charge": "charges"}
_MOVE_MASK, _TAGS, _STRESS = "move_mask", "tags", "stress"
_LARGEST_TAG = 255
_ISOTOPES = frozenset(ISOTOPES)
FIRST_MEANINGS = frozenset(
    {*_NUMBERS, *_POSITIONS, *_RENAMED, *ID_KEYS, _MOVE_MASK, _TAGS, HELD_AXES, "pbc", "virial"}
)
"""Keys and columns that mean something else than a label of that name."""
_VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))
"""Rows and columns of xx, yy, zz, yz, xz, xy."""


class ExtendedXYZReader(Reader):
    """Reads extended XYZ, and plain XYZ, frame by frame."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the frames of a file; what is no frame, or is torn, as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: There is no frame in it at all.
        """
        with file.open() as stream:
            frames = enumerate(scan_extended_xyz(stream))
            for index, frame in frames:
                name = f"{file.stem}-{index:06d}"
                if index == 0 and isinstance(frame, XYZFault) and not frame.info:
                    following = next(frames, None)
                    if following is None:
                        raise DataError(f"'{file.path}' is no extended XYZ file: it {frame.reason}")
                    yield _record(frame, name)
                    frame, name = following[1], f"{file.stem}-{following[0]:06d}"
                yield _record(frame, name)


def _record(frame: XYZFrame | XYZFault, otherwise: str) -> Record:
    name = name_of(frame.info, otherwise)
    if isinstance(frame, XYZFault):
        return Rejection(name, f"The frame {frame.reason}")
    columns = dict(frame.columns)
    structure = {key: columns.pop(key) for key in (*_NUMBERS, *_POSITIONS) if key in columns}
    numbers = next((structure[key] for key in _NUMBERS if key in structure), None)
    positions = next((structure[key] for key in _POSITIONS if key in structure), None)
    # An unknown symbol is number 0, which the crystal that is made of the frame rejects.
    if numbers is None or numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        return Rejection(name, "The frame does not say what its atoms are.")
    if positions is None or positions.shape != (len(numbers), 3):
        return Rejection(name, "The frame has no three coordinates per atom.")
    try:
        cell = frame.cell if LATTICE in frame.info else np.zeros((3, 3))
    except DataError as error:
        return Rejection(name, str(error))
    # As in ASE, a frame with a cell is a crystal, and one without a molecule, unless it says else.
    periodic = frame.pbc if PBC in frame.info or LATTICE in frame.info else (False, False, False)
    if len(periodic) != 3:
        return Rejection(name, "The frame does not say of three directions whether it is periodic.")
    if LATTICE not in frame.info and (reason := _foreign_comment(frame.info, numbers)):
        return Rejection(name, reason)
    site_properties = _site_properties(columns, len(numbers))
    values = _values(frame.info, columns)
    if numbers.dtype != np.uint8 or not _ISOTOPES.isdisjoint(numbers.tobytes()):
        symbols = [ISOTOPES.get(number, "") for number in numbers.tolist()]
        values = {**isotope_masses(symbols), **values}
        numbers = np.where(np.isin(numbers, list(ISOTOPES)), 1, numbers)
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=periodic,
        values=values,
        site_properties=site_properties,
    )


def _foreign_comment(info: Mapping[str, str], numbers: NDArray[Any]) -> str:
    """Return why a plain XYZ frame would be misread; empty: it would not.

    i-PI writes the cell into a comment, in bohr like the positions unless the comment says else,
    and forces or velocities in place of positions into other files of the same form. LAMMPS's
    ``dump xyz`` writes types in place of elements unless it is told their names.
    """
    if "#" in info and any(key.startswith("CELL") for key in info):
        return (
            "The frame is of i-PI, whose cell and units stand in a comment; let i-PI write "
            "format='ase', which is extended XYZ."
        )
    if {"Atoms.", "Timestep:"} <= info.keys() and numbers.max() == len(np.unique(numbers)):
        return (
            "The frame is of LAMMPS, and seems to number types in place of elements; name these "
            "with 'dump_modify ID element', or write 'dump extxyz', which has the cell, too."
        )
    return ""


def _values(info: Mapping[str, str], columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return everything that a frame says beside its structure."""
    values: dict[str, Any] = {}
    for key, column in columns.items():
        text = column.dtype.kind == "S"
        values[_RENAMED.get(key, key)] = (
            np.char.decode(column, errors="replace") if text else column
        )
    for key, said in info.items():
        if key not in (LATTICE, PROPERTIES, PBC):
            # An id such as 007 is no number, though it looks like one.
            values[key] = said if key in ID_KEYS else parse_value(key, said)
    stress = values.get(_STRESS)
    # Six numbers, as ASE has them, so that a label declared as stress is symmetric by its form.
    # Where it is none, all nine are kept for the label to be rejected with.
    if isinstance(stress, np.ndarray) and stress.shape == (3, 3) and (stress == stress.T).all():
        values[_STRESS] = stress[_VOIGT]
    return values


def _site_properties(columns: dict[str, NDArray[Any]], atoms: int) -> dict[str, NDArray[Any]]:
    """Return tags and which atoms are held, and take the latter out of the columns."""
    properties: dict[str, NDArray[Any]] = {}
    # Tags stay a value, too: they may be a label per atom.
    tags = columns.get(_TAGS, np.zeros(0))
    if tags.dtype.kind == "i" and tags.shape == (atoms,):
        in_range = tags.min() >= 0 and tags.max() <= _LARGEST_TAG
        properties |= {_TAGS: tags} if in_range and tags.any() else {}
    free = columns.pop(_MOVE_MASK, None)
    if free is not None:
        # One flag for each atom, or for each of x, y and z.
        properties |= held_properties(np.logical_not(free.astype(bool)))
    axes = columns.get(HELD_AXES, np.zeros(0))
    if axes.dtype.kind == "i" and axes.shape == (atoms,) and HELD_AXES not in properties:
        # Along lattice vectors, for which the format has no column of its own.
        properties[HELD_AXES] = np.clip(columns.pop(HELD_AXES), 0, _LARGEST_TAG)
    return properties
