"""Systems of DeePMD-kit: folders of NumPy's files, a row per frame.

Read as DeePMD-kit 3 documents them and dpdata 1.1.0 writes them: ``type.raw`` has a number per
atom, ``type_map.raw`` the element of each, ``set.*`` the frames; with ``real_atom_types.npy`` the
types differ from frame to frame, and −1 is a place without an atom. A file ``nopbc`` says that
nothing is periodic. ``virial`` is in eV, positive under compression: minus the stress times the
volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_potentials.config import ElementsConfig
from matsciml_reader_potentials.detection import TYPES, systems_of

UNITS = {"energy": "eV", "forces": "eV/A", "virial": "eV"}
IDS, SITE_PREFIX = "matsciml_id", "matsciml_site_"
"""Files of what DeePMD-kit has no name for, and passes over: ids and site properties."""
_COORDINATES, _CELL, _REAL_TYPES = "coord", "box", "real_atom_types"
_RENAMED = {"force": "forces"}
_PER_ATOM = frozenset({"force", "force_mag", "spin", "aparam"})
_PER_ATOM_PREFIXES = ("atom_", "atomic_")
"""Files with entries for all atoms in each row: forces, those on spins, spins, and what
DeePMD-kit 3 documents as atomic; a dipole of the atoms of chosen types has fewer, and stays."""


class DeepMDReader(Reader):
    """Reads the frames of all systems in a folder, system by system and set by set."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the frames; a set is mapped into memory, and not read as a whole.

        Args:
            file: The folder.

        Raises:
            DataError: The elements are not known, or the files of a set contradict each other.
        """
        systems = systems_of(file.path)
        if not systems:
            raise DataError(
                f"'{file.path}' holds no system of DeePMD-kit: a folder with {TYPES} and set.*."
            )
        for system in systems:
            below = system.relative_to(file.path).as_posix()
            name = file.path.name if below == "." else f"{file.path.name}/{below}"
            yield from self._read_system(system, name)

    def _read_system(self, system: Path, name: str) -> Iterator[Record]:
        types = np.array((system / TYPES).read_text(encoding="utf-8").split(), dtype=np.int64)
        elements = np.array(self._elements(system))
        periodic = not (system / "nopbc").exists()
        index = 0
        for folder in sorted(system.glob("set.*")):
            arrays = _arrays_of(folder)
            for row in range(len(arrays[_COORDINATES])):
                frame = {key: rows[row] for key, rows in arrays.items()}
                yield _frame(frame, types, elements, f"{name}-{index:06d}", periodic=periodic)
                index += 1

    def _elements(self, system: Path) -> list[int]:
        """Return the atomic number of each type.

        Raises:
            DataError: Neither the system nor the user says, or a name is no element's.
        """
        given = self.config.numbers if isinstance(self.config, ElementsConfig) else []
        path = system / "type_map.raw"
        if given or not path.exists():
            if not given:
                raise DataError(
                    f"'{system}' has no type_map.raw, so that its elements are not known; name "
                    "them from type 0 on, for example with --set elements=Cu,O."
                )
            return list(given)
        names = path.read_text(encoding="utf-8").split()
        numbers = [atomic_number(name) for name in names]
        if None in numbers:
            raise DataError(
                f"'{path}' calls a type '{names[numbers.index(None)]}', which is no element; name "
                "them from type 0 on, for example with --set elements=Cu,O."
            )
        return [number for number in numbers if number is not None]


def _arrays_of(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a set by name, each with a row per frame.

    Raises:
        DataError: There are no coordinates, or the numbers of rows differ.
    """
    arrays = {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
        for path in sorted(folder.glob("*.npy"))
    }
    if _COORDINATES not in arrays:
        raise DataError(f"'{folder}' has no {_COORDINATES}.npy; name folders of whole systems.")
    count = len(arrays[_COORDINATES])
    uneven = next((key for key, rows in arrays.items() if len(rows) != count), None)
    if uneven is not None:
        raise DataError(
            f"'{folder}' has {count} frames, and {len(arrays[uneven])} rows in {uneven}.npy; "
            "write it again."
        )
    return arrays


def _frame(
    rows: dict[str, NDArray[Any]],
    types: NDArray[np.int64],
    elements: NDArray[np.int64],
    otherwise: str,
    *,
    periodic: bool,
) -> Frame:
    """Return the record of a frame; it copies what it takes out of the mapped files."""
    types = np.array(rows.pop(_REAL_TYPES, types))
    there = types >= 0  # places without an atom fill rows up to one length
    if types.max(initial=0) >= len(elements):
        raise DataError(
            f"Type {types.max()} has no element; {len(elements)} are named. Name all of them from "
            "type 0 on, for example with --set elements=Cu,O."
        )
    positions = np.array(rows.pop(_COORDINATES), dtype=np.float64).reshape(-1, 3)
    cell = np.array(rows.pop(_CELL, np.zeros(9)), dtype=np.float64).reshape(3, 3)
    name = str(rows.pop(IDS, otherwise))
    marks = {key: rows.pop(key) for key in list(rows) if key.startswith(SITE_PREFIX)}
    values: dict[str, Any] = {}
    for key, row in rows.items():
        array = np.array(row)
        per_atom = key in _PER_ATOM or key.startswith(_PER_ATOM_PREFIXES)
        per_atom &= array.size % len(types) == 0
        values[_RENAMED.get(key, key)] = (
            array.reshape(len(types), -1)[there] if per_atom else array.reshape(-1)
        )
    if "virial" in values:
        values["virial"] = values["virial"].reshape(3, 3)
    return Frame(
        name=name,
        atomic_numbers=elements[types[there]],
        positions=positions[there],
        cell=cell,
        pbc=(periodic,) * 3,
        values={key: _plain(value) for key, value in values.items()},
        site_properties={
            key.removeprefix(SITE_PREFIX): np.array(mark)[there] for key, mark in marks.items()
        },
        units=UNITS,
    )


def _plain(value: NDArray[Any]) -> Any:
    """Return an array, or the number of an array of one."""
    return value.item() if value.shape == (1,) else value
