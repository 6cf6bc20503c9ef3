"""``vaspout.h5``, VASP's output in HDF5 (since 6.2), step by step.

The layout is that of py4vasp 0.11.3, which VASP's authors maintain: ``intermediate/ion_dynamics``
has all ionic steps, ``results/positions`` and ``input/poscar`` the elements and what selective
dynamics hold. Four things differ from what one expects:

- Positions of the steps are fractions of the lattice vectors, also where the POSCAR is Cartesian,
  and lattice vectors of the steps are in Å, while those of ``input`` and ``results`` are to be
  multiplied by their ``scale``.
- A stress that VASP was not asked for is written as nine zeros (``ISIF`` is 0 by default in
  molecular dynamics and with hybrid functionals). It is no label here.
- In molecular dynamics the free energy is called ``ion-electron   TOTEN``, and ``total energy``
  includes that of the thermostat.
- pymatgen 2026.10 takes fractional positions of ``input`` and ``results`` for Cartesian ones where
  the file says that they are direct, and looks for ``stresses``, which VASP calls ``stress``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.interfaces.held import held_properties
from matsciml_reader_ase.hdf5 import dataset, open_hdf5
from matsciml_reader_ase.vasprun import UNITS

_STEPS = "intermediate/ion_dynamics"
_STRUCTURES = ("results/positions", "input/poscar")
"""Where elements stand; a run that is not finished has the second alone."""
_ENERGIES = {
    "free energy TOTEN": "free_energy",
    "ion-electron TOTEN": "free_energy",
    "energy without entropy": "energy_without_entropy",
    "energy(sigma->0)": "energy_sigma0",
}
_BLOCK = 1 << 20
"""Bytes of the positions that are read at once."""


class VaspoutReader(Reader):
    """Reads the ionic steps, with atoms that selective dynamics hold as site properties."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield a record per ionic step; one that was not written to its end as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: It is no vaspout.h5, or what is in it does not belong together.
        """
        path = file.plain_path()
        with open_hdf5(path) as opened:
            numbers, held = _atoms(opened, path)
            columns = _columns(opened, len(numbers), path)
            complete = min(len(column) for column in columns.values())
            begun = max(len(column) for column in columns.values())
            if begun > complete + 1:
                counts = ", ".join(f"{len(column)} of {key}" for key, column in columns.items())
                raise DataError(
                    f"'{path}' has a different number of steps for each quantity ({counts}), and "
                    "does not say which belong together."
                )
            tags = _energy_names(opened)
            at_once = max(_BLOCK // (24 * len(numbers)), 1)
            for first in range(0, complete, at_once):
                last = min(first + at_once, complete)
                block = {key: column[first:last] for key, column in columns.items()}
                for offset in range(last - first):
                    step = {key: values[offset] for key, values in block.items()}
                    name = f"{file.stem}-{first + offset:06d}"
                    yield _frame(name, numbers, held, step, tags)
            if begun > complete:
                yield Rejection(
                    f"{file.stem}-{complete:06d}", "The step was not written to its end."
                )


def _atoms(file: h5py.File, path: Path) -> tuple[list[int], dict[str, NDArray[np.uint8]]]:
    """Return the atomic numbers, and which atoms selective dynamics hold."""
    for group in _STRUCTURES:
        types = dataset(file, f"{group}/ion_types")
        counts = dataset(file, f"{group}/number_ion_types")
        if types is None or counts is None:
            continue
        # POTCAR files add to a symbol: Na_pv, Na_pv/8f2b.
        symbols = [re.split("[_/]", _text(word))[0] for word in types[()]]
        elements = [atomic_number(symbol) for symbol in symbols]
        unknown = [symbol for symbol, element in zip(symbols, elements, strict=True) if not element]
        if unknown:
            raise DataError(f"'{path}' has atoms of '{unknown[0]}', which is no element.")
        numbers = [int(element or 0) for element in np.repeat(np.array(elements), counts[()])]
        if not numbers:
            break
        free = dataset(file, f"{group}/selective_dynamics_ions")
        held = {} if free is None else held_properties(free[()] == 0, along_lattice=True)
        return numbers, held
    raise DataError(f"'{path}' is no vaspout.h5 of VASP: it has no list of atoms.")


def _columns(file: h5py.File, atoms: int, path: Path) -> dict[str, h5py.Dataset]:
    """Return what the file has of each step, by name: datasets whose first axis are the steps.

    Raises:
        DataError: Structures are missing, or an array has another shape.
    """
    shapes: dict[str, tuple[int | None, ...]] = {
        "lattice_vectors": (3, 3),
        "position_ions": (atoms, 3),
        "energies": (None,),
        "forces": (atoms, 3),
        "stress": (3, 3),
        "ion_velocities": (atoms, 3),
        "magnetism/spin_moments/values": (None, atoms, None),  # since 6.4.3
        "magnetism/moments": (None, atoms, None),  # before
    }
    columns = {}
    for key, shape in shapes.items():
        column = dataset(file, f"{_STEPS}/{key}")
        if column is None:
            continue
        pairs = zip(column.shape[1:], shape, strict=False)
        if column.ndim != len(shape) + 1 or any(b not in (a, None) for a, b in pairs):
            raise DataError(
                f"'{path}' has {atoms} atoms, and '{_STEPS}/{key}' has the shape {column.shape}."
            )
        columns[key] = column
    if "lattice_vectors" not in columns or "position_ions" not in columns:
        raise DataError(f"'{path}' is no vaspout.h5 of VASP: it has no '{_STEPS}' with positions.")
    return columns


def _energy_names(file: h5py.File) -> list[str]:
    """Return what the energies of a step are called here, in their order."""
    tags = dataset(file, f"{_STEPS}/energies_tags")
    words = [] if tags is None else [" ".join(_text(tag).split()) for tag in tags[()]]
    # What has no name of its own here keeps VASP's, as a word: kinetic_energy_EKIN.
    return [_ENERGIES.get(word, re.sub(r"\W+", "_", word).strip("_")) for word in words]


def _frame(
    name: str,
    numbers: list[int],
    held: dict[str, NDArray[np.uint8]],
    step: dict[str, NDArray[Any]],
    tags: list[str],
) -> Frame:
    """Return a step.

    Args:
        name: Its name.
        numbers: Atomic numbers.
        held: Site properties.
        step: What the file has of it, by the names of the file.
        tags: The names of its energies.
    """
    cell = step["lattice_vectors"]
    values: dict[str, Any] = {
        key: float(value) for key, value in zip(tags, step.get("energies", ()), strict=False)
    }
    if "forces" in step:
        values["forces"] = step["forces"]
    if "stress" in step and step["stress"].any():
        values["stress"] = step["stress"]
    if "ion_velocities" in step:
        values["velocities"] = step["ion_velocities"]
    moments = step.get("magnetism/spin_moments/values", step.get("magnetism/moments"))
    if moments is not None:
        # Components, atoms, orbitals: the charge first, then the moment along z, or x, y and z.
        charge, *moment = np.sum(moments, axis=-1)
        values["charge_in_sphere"] = charge
        if moment:
            values["magmom"] = moment[0] if len(moment) == 1 else np.stack(moment, axis=-1)
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=step["position_ions"] @ cell,
        cell=cell,
        values=values,
        site_properties=held,
        units=UNITS,
    )


def _text(word: Any) -> str:
    return (word.decode(errors="replace") if isinstance(word, bytes) else str(word)).strip()
