"""``vasprun.xml`` of VASP, step by step: trajectories of gigabytes, and files that were cut.

Three energies are in it. Forces belong to the free energy, ``free_energy`` here; ASE 3.29 calls
``energy`` what is extrapolated to zero smearing, ``energy_sigma0`` here. No value is called
``energy``, so that who imports says which is meant. VASP writes a wrong extrapolated energy behind
the electronic steps, so the difference is taken from the last of these, as ASE does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.interfaces.held import held_properties

UNITS = {
    "free_energy": "eV",
    "energy_sigma0": "eV",
    "energy_without_entropy": "eV",
    "forces": "eV/A",
    "stress": "kbar:vasp",
}
_ENERGIES = {
    "e_fr_energy": "free_energy",
    "e_wo_entrp": "energy_without_entropy",
    "e_0_energy": "energy_sigma0",
}
_ABRIDGED = {"r": "Zr", "X": "Xe"}
"""What some versions of VASP call two elements in this file, as pymatgen 2026.10 knows."""


class VasprunReader(Reader):
    """Reads the ionic steps, with atoms that selective dynamics hold as site properties."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield a record per ionic step; one in which the file ends as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: It has no list of atoms.
        """
        numbers: list[int] = []
        held: dict[str, Any] = {}
        count = 0
        with file.open() as stream:
            try:
                for _, element in iterparse(stream, events=("end",)):
                    if element.tag == "atominfo":
                        numbers = _atoms(element)
                    elif element.tag == "structure" and element.get("name") == "initialpos":
                        held = _held(element)
                    elif element.tag == "calculation":
                        name = f"{file.stem}-{count:06d}"
                        yield _frame(element, numbers, held, name)
                        count += 1
                        element.clear()  # or memory would grow with the trajectory
            except ParseError as error:
                if not numbers:
                    raise DataError(f"'{file.path}' is no vasprun.xml: {error}.") from error
                reason = "The file ends, or is broken, within this step"
                yield Rejection(f"{file.stem}-{count:06d}", f"{reason}.", f"{reason} ({error}).")
        if not numbers:
            raise DataError(f"'{file.path}' is no vasprun.xml: it has no list of atoms.")


def _atoms(element: Element) -> list[int]:
    """Return the atomic numbers."""
    rows = element.findall("array[@name='atoms']/set/rc")
    names = [(row.findtext("c") or "").strip() for row in rows]
    return [atomic_number(_ABRIDGED.get(name, name)) or 0 for name in names]


def _held(element: Element) -> dict[str, NDArray[np.uint8]]:
    """Return what selective dynamics hold, along lattice vectors."""
    rows = [(row.text or "").split() for row in element.findall("varray[@name='selective']/v")]
    if not rows:
        return {}
    return held_properties([[word == "F" for word in row] for row in rows], along_lattice=True)


def _frame(element: Element, numbers: list[int], held: dict[str, Any], name: str) -> Record:
    structure = element.find("structure")
    if structure is None:
        return Rejection(name, "The step has no structure.")
    cell = _array(structure, "crystal/varray[@name='basis']/v")
    fractional = _array(structure, "varray[@name='positions']/v")
    values: dict[str, Any] = {
        key: array
        for key in ("forces", "stress")
        if (array := _array(element, f"varray[@name='{key}']/v")).size
    }
    values |= _energies(element)
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=fractional @ cell,
        cell=cell,
        values=values,
        site_properties=held,
        units=UNITS,
    )


def _array(element: Element, path: str) -> NDArray[np.float64]:
    rows = [(row.text or "").split() for row in element.findall(path)]
    return np.array(rows, dtype=np.float64)


def _energies(element: Element) -> dict[str, float]:
    """Return the energies of a step, eV, by their names here."""

    def read(parent: Element | None) -> dict[str, float]:
        entries = [] if parent is None else parent.findall("i")
        return {
            _ENERGIES[key]: float(entry.text or "nan")
            for entry in entries
            if (key := entry.get("name", "")) in _ENERGIES
        }

    energies = read(element.find("energy"))
    steps = element.findall("scstep")
    last = read(steps[-1].find("energy")) if steps else {}
    if {"energy_sigma0", "free_energy"} <= last.keys() and "free_energy" in energies:
        difference = last["energy_sigma0"] - last["free_energy"]
        energies["energy_sigma0"] = energies["free_energy"] + difference
    return energies
