"""``data-file-schema.xml`` of Quantum ESPRESSO's pw.x, which it also calls ``PREFIX.xml``.

All is in hartree atomic units, with the opposite of ASE's sign of the stress; ``etot`` is the free
energy where electrons are smeared, which forces belong to. Found in runs of pw.x 6.7:

- Behind the last step of molecular dynamics, ``output`` has the positions of the next one, with the
  energy and the forces of the last: positions are taken from the steps here.
- Forces are zero along directions in which an atom is held; the printed output has what was
  calculated. Only ``output`` has a stress, which belongs to the last step.
- A relaxation of the cell ends with a calculation of the last structure anew, with the plane waves
  of its own cell: another energy, which is a record of its own.
"""

from __future__ import annotations

import re
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
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.cp2k_log import UNCONVERGED
from matsciml_reader_ase.text_codes import TORN

UNITS = {"energy": "eV", "forces": "eV/A", "stress": "eV/A^3"}
_WITHOUT_ENERGY = ("nscf", "bands")


class EspressoXMLReader(Reader):
    """Reads the steps of a run."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures with their energies; one in which the file ends as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: It is none of pw.x, or of a run that calculates no energies.
        """
        stem, count, torn = file.stem, 0, ""
        held: dict[str, Any] = {}
        pending: Element | None = None  # the last step, whose stress may stand in the output
        with file.open() as stream:
            try:
                for _, element in iterparse(stream, events=("end",)):
                    if element.tag == "control_variables":
                        stem = element.findtext("prefix") or stem
                        _check_purpose(element.findtext("calculation", ""), file)
                    elif element.tag == "free_positions":
                        flags = np.array((element.text or "").split(), dtype=np.int64)
                        held = held_properties(flags.reshape(-1, 3) == 0) if 0 in flags else {}
                    elif element.tag in ("step", "output"):
                        if pending is not None and _same(pending, element):
                            pending.extend(element.findall("stress"))
                            continue
                        if pending is not None:
                            yield _record(pending, f"{stem}-{count:06d}", held)
                            pending.clear()
                            count += 1
                        pending = element
            except ParseError as error:
                torn = str(error)
        if pending is not None:
            yield _record(pending, f"{stem}-{count:06d}", held)
            count += 1
        if torn and count:
            yield Rejection(f"{stem}-{count:06d}", TORN, f"{TORN[:-1]} ({torn}).")
        if not count:
            fault = f" ({torn})" if torn else ""
            raise DataError(f"'{file.path}' has no complete step of pw.x in XML{fault}.")


def _check_purpose(calculation: str, file: InputFile) -> None:
    """Check that a run calculates energies.

    Raises:
        DataError: It calculates eigenvalues alone.
    """
    if calculation in _WITHOUT_ENERGY:
        raise DataError(
            f"'{file.path}' is of a run '{calculation}', which calculates no energy; name the file "
            "of the 'scf' run before it."
        )


def _same(step: Element, output: Element) -> bool:
    """Return whether an output repeats the energy of the last step."""
    energy = step.findtext("total_energy/etot")
    return output.tag == "output" and energy == output.findtext("total_energy/etot")


def _record(element: Element, name: str, held: dict[str, Any]) -> Record:
    if element.findtext(".//scf_conv/convergence_achieved", "true").strip() == "false":
        return Rejection(name, UNCONVERGED)
    try:
        return _frame(element, name, held)
    except DataError as error:
        return Rejection.of(name, error)
    except (TypeError, ValueError):  # text that is missing, or no number
        return Rejection(name, "The step is incomplete, or not as pw.x writes it.")


def _frame(element: Element, name: str, held: dict[str, Any]) -> Frame:
    atoms = element.findall("atomic_structure/atomic_positions/atom")
    cell = _numbers(element, *(f"atomic_structure/cell/a{axis}" for axis in (1, 2, 3)))
    values: dict[str, Any] = {"energy": float(element.findtext("total_energy/etot", "")) * HARTREE}
    if element.find("forces") is not None:
        values["forces"] = _numbers(element, "forces") * (HARTREE / BOHR)
    if element.find("stress") is not None:
        values["stress"] = -_numbers(element, "stress") * (HARTREE / BOHR**3)
    return Frame(
        name=name,
        atomic_numbers=[_element(atom.get("name", "")) for atom in atoms],
        positions=np.array([(atom.text or "").split() for atom in atoms], dtype=np.float64) * BOHR,
        cell=cell * BOHR,
        values=values,
        site_properties=held,
        units=UNITS,
    )


def _numbers(element: Element, *paths: str) -> NDArray[np.float64]:
    """Return the numbers at some places, ``(rows, 3)``."""
    words = " ".join(element.findtext(path, "") for path in paths).split()
    return np.array(words, dtype=np.float64).reshape(-1, 3)


def _element(label: str) -> int:
    """Return the atomic number of a species, whose label may go on: ``Fe1``, ``Fe_up``.

    Raises:
        DataError: It begins with no element.
    """
    letters = re.match("[A-Za-z]*", label)
    for length in (2, 1):
        number = atomic_number((letters[0] if letters else "")[:length].capitalize())
        if number is not None:
            return number
    raise DataError(f"'{label}' is no element.")
