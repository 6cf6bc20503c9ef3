"""The log of CP2K, ``.out``: energy, forces and stress of each step, and the structure once.

Seen in runs of CP2K 2023.1, in outputs of 7 to 2025, and in the source from 2015 on:

- ``STRESS|`` is the virial of the forces over the volume, without the motion of the atoms, positive
  under compression; its unit stands in brackets and may be set (``STRESS_UNIT``). Before release 8
  it was called ``STRESS TENSOR [GPa]``. Its eigenvectors follow under the same prefix.
- ``PROJECT-1.stress`` has the same in bar, but of dynamics with the kinetic part, a tenth of the
  whole in silicon at 600 K.
- Lattice vectors have three decimals, lengths and angles six (three before release 8).
- Coordinates are printed before the first step, and of further ones in a file of their own only.
  ``CELL_OPT`` turns the cell behind them, and has forces and stress of the turned one.
- Electrons with a temperature have a free energy, which is the one that is printed.
- Where electrons do not converge, energy and forces are printed as if they had.

dpdata 1.1.0 takes every stress for GPa, and ASE 3.29.0 reads no log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import numpy as np
from ase.data import atomic_masses
from ase.geometry import cellpar_to_cell
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_reader_ase.abinit import BOHR, HARTREE

UNITS = {"energy": "eV", "forces": "eV/A", "stress": "eV/A^3"}
_GPA = 1 / 160.21766208
"""eV/Å³."""
PRESSURES = {
    "gpa": _GPA,
    "mpa": 1e-3 * _GPA,
    "pa": 1e-9 * _GPA,
    "kbar": 0.1 * _GPA,
    "bar": 1e-4 * _GPA,
    "atm": 1.01325e-4 * _GPA,
}
"""Unit, in lower case → eV/Å³."""
LENGTHS = {"angstrom": 1.0, "bohr": BOHR}
ENERGIES = {"a.u.": HARTREE, "hartree": HARTREE, "ev": 1.0}
FORCES = {
    "a.u.": HARTREE / BOHR,
    "hartree/bohr": HARTREE / BOHR,
    "hartree*bohr^-1": HARTREE / BOHR,
    "bohr^-1*hartree": HARTREE / BOHR,
    "ev/angstrom": 1.0,
    "ev*angstrom^-1": 1.0,
    "angstrom^-1*ev": 1.0,
}
_ENERGY = re.compile(r" ENERGY\| Total FORCE_EVAL \( (\S+) \) energy\s+[\[(](.+?)[\])]:?\s+(\S+)")
_VECTOR = re.compile(r" CELL\| Vector ([abc]) \[(\w+)\]:?((?:\s+[-+.\d]+){3})\s+\|\w\| =\s+(\S+)")
_ANGLE = re.compile(r" CELL\| Angle \(\w,\w\), (alpha|beta|gamma)\s+\[degree\]:\s+(\S+)")
_PERIODICITY = re.compile(r" CELL\| Periodicity\s+(\S+)")
_COORDINATES = re.compile(r" MODULE (\w+):\s+ATOMIC COORDINATES IN (\w+)", re.IGNORECASE)
_FORCES = re.compile(r" (?:FORCES\| Atomic forces|ATOMIC FORCES in) \[(.+?)\]")
_STRESS = re.compile(r" STRESS(?:\| (?:Analytical|Numerical) stress tensor| TENSOR) \[(.+?)\]")
_PROJECT = re.compile(r" GLOBAL\| Project name\s+(\S+)")
TORN = "The step was not written to its end."
UNCONVERGED = "The electrons did not converge in this step."
_ELSEWHERE = (
    "The log has no coordinates of this step; name the file PROJECT-pos-1.xyz, which takes the "
    "stress from the log beside it"
)


def factor_of(unit: str, units: dict[str, float], what: str) -> float:
    """Return what a number in a unit of CP2K is multiplied by.

    Args:
        unit: As it is printed, or set in the input.
        units: Those that are known, in lower case.
        what: The quantity, for the message.

    Raises:
        DataError: The unit is unknown.
    """
    factor = units.get(unit.strip().lower())
    if factor is None:
        raise DataError(
            f"CP2K wrote the {what} in '{unit}', which is not known here; run it again with one of "
            f"{', '.join(units)}."
        )
    return factor


@dataclass
class LogStep:
    """A step of a run, as far as its log tells."""

    energy: float
    """eV; the one that forces belong to."""
    converged: bool = True
    forces: NDArray[np.float64] | None = None
    """``(atoms, 3)``, eV/Å."""
    stress: NDArray[np.float64] | None = None
    """``(3, 3)``, eV/Å³, positive under tension."""
    structure: dict[str, Any] = field(default_factory=dict)
    """Fields of a record; empty: no coordinates were printed for this step."""
    torn: bool = False


def project_of(head: str) -> str | None:
    """Return the name of the project that a log is of; None: it is no log of CP2K.

    Args:
        head: The beginning of the file.
    """
    match = _PROJECT.search(head)
    return match[1] if match and " CP2K| " in head else None


def steps_of(text: Iterable[str]) -> Iterator[LogStep]:
    """Yield the steps of a log.

    Args:
        text: Its lines.

    Raises:
        DataError: A unit is unknown, atoms are printed in an unknown form, or several methods have
            an energy each.
    """
    lines = iter(text)
    lattice, structure = _Lattice(), dict[str, Any]()
    step: LogStep | None = None
    converged, method = True, ""
    for line in lines:
        if not line.startswith(" ") or line[1:2].islower():
            continue
        lattice.read(line)
        if "SCF run NOT converged" in line:
            converged = False
        elif match := _COORDINATES.match(line):
            structure = _coordinates(lines, match) | {"cell": lattice.cell()}
        elif match := _ENERGY.match(line):
            if step is not None:
                yield step
            if method not in ("", match[1]):
                raise DataError(f"The log has energies of {method} and of {match[1]}; keep one.")
            method = match[1]
            factor = factor_of(match[2], ENERGIES, "energy")
            own = _in_cell(structure, lattice) if structure else {}
            step = LogStep(float(match[3]) * factor, converged=converged, structure=own)
            structure, converged = {}, True
        elif step is not None and (match := _FORCES.match(line)):
            rows, whole = _forces(lines)
            step.torn = step.torn or not whole
            step.forces = rows * factor_of(match[1], FORCES, "forces")
        elif step is not None and (match := _STRESS.match(line)):
            tensor = _stress(lines)
            step.torn = step.torn or tensor is None
            factor = factor_of(match[1], PRESSURES, "stress")
            step.stress = None if tensor is None else -tensor * factor
    if step is not None:
        yield step


class _Lattice:
    """The cell that was printed last, put together from vectors, lengths and angles."""

    def __init__(self) -> None:
        self._vectors = np.zeros((3, 3))
        self._lengths: dict[str, float] = {}
        self._angles: dict[str, float] = {}
        self.pbc = [True, True, True]

    def read(self, line: str) -> None:
        """Take in a line, if it is one of the cell."""
        if not line.startswith(" CELL|"):
            return
        if match := _VECTOR.match(line):
            factor = factor_of(match[2], LENGTHS, "cell")
            self._vectors["abc".index(match[1])] = np.array(match[3].split(), float) * factor
            self._lengths[match[1]] = float(match[4]) * factor
        elif match := _ANGLE.match(line):
            self._angles[match[1]] = float(match[2])
        elif match := _PERIODICITY.match(line):
            self.pbc = [axis in match[1].upper() for axis in ("X", "Y", "Z")]
            self.pbc = [False] * 3 if match[1].upper() == "NONE" else self.pbc

    def cell(self) -> NDArray[np.float64]:
        """Return the lattice vectors as rows, ``(3, 3)``, Å.

        Lengths and angles have more decimals than vectors, which give the orientation. The rotation
        between both: Kabsch, Acta Cryst. A 32, 922 (1976), doi:10.1107/S0567739476001873.
        """
        if len(self._lengths) < 3 or len(self._angles) < 3:
            return self._vectors
        angles = [self._angles[name] for name in ("alpha", "beta", "gamma")]
        exact = cellpar_to_cell([*(self._lengths[name] for name in "abc"), *angles])
        left, _, right = np.linalg.svd(exact.T @ self._vectors)
        if np.linalg.det(left @ right) < 0:  # a left-handed cell
            exact[2] *= -1
            left, _, right = np.linalg.svd(exact.T @ self._vectors)
        cell: NDArray[np.float64] = exact @ left @ right
        # Where three decimals of old releases contradict each other, the vectors are right.
        return cell if np.abs(cell - self._vectors).max() < 2e-3 else self._vectors


def _in_cell(structure: dict[str, Any], lattice: _Lattice) -> dict[str, Any]:
    """Return a structure in the cell of its step, with the same fractional coordinates.

    An optimisation of the cell turns it, so that its first vector lies along x, after coordinates
    were printed; forces and stress are those of the turned cell.
    """
    cell = lattice.cell()
    positions = structure["positions"]
    if not np.array_equal(cell, structure["cell"]):
        positions = np.linalg.solve(structure["cell"].T, positions.T).T @ cell
    return structure | {"positions": positions, "cell": cell, "pbc": lattice.pbc}


def _coordinates(lines: Iterator[str], header: re.Match[str]) -> dict[str, Any]:
    """Return the fields of a record that the table of atoms has."""
    if header[1].upper() != "QUICKSTEP":
        raise DataError(f"The log prints the atoms of its module '{header[1]}', which is unknown.")
    words: list[list[str]] = []
    for line in lines:
        entries = line.split()
        if entries[:1] and entries[0].isdigit():
            words.append(entries)
        elif words:
            break
    # Number, kind, symbol, atomic number, x, y, z, charge of the core, mass.
    if any(len(entries) != 9 for entries in words):
        raise DataError("The log prints its atoms in a form that is not known; name PROJECT-pos.")
    numbers = [int(entries[3]) for entries in words]
    factor = factor_of(header[2], LENGTHS, "coordinates")
    masses = np.array([float(entries[8]) for entries in words])
    isotopes = np.abs(masses - atomic_masses[numbers]) > 0.1
    return {
        "atomic_numbers": numbers,
        "positions": np.array([entries[4:7] for entries in words], dtype=np.float64) * factor,
        "values": {"masses": np.where(isotopes, masses, np.nan)} if isotopes.any() else {},
    }


def _forces(lines: Iterator[str]) -> tuple[NDArray[np.float64], bool]:
    """Return the rows of a table of forces, and whether its last line is there."""
    rows, whole = [], False
    for line in lines:
        words = line.replace("FORCES|", " ").split()
        if words[:1] and words[0].isdigit():
            # Number, kind and symbol before three numbers; or the number, and the length behind.
            rows.append(words[1:4] if "FORCES|" in line else words[3:6])
        elif words and words[0].upper() == "SUM":
            whole = True
            break
    return np.array(rows, dtype=np.float64), whole


def _stress(lines: Iterator[str]) -> NDArray[np.float64] | None:
    """Return the tensor of the next lines, ``(3, 3)``; None where they are not there."""
    rows: list[list[str]] = []
    for line in lines:
        words = line.replace("STRESS|", " ").split()
        if len(words) == 4 and words[0].upper() == "XYZ"[len(rows)]:
            rows.append(words[1:])
        if len(rows) == 3:
            return np.array(rows, dtype=np.float64)
    return None


class CP2KLogReader(Reader):
    """Reads the steps of a log that have coordinates in it: of a run without motion, the one."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the steps; those without coordinates, or that are torn, as rejections.

        Args:
            file: The file.

        Raises:
            DataError: It has no energy, or something in a unit or form that is unknown.
        """
        with file.open() as stream:
            text = (line.decode(errors="replace") for line in stream)
            # A last line without an end may have half a number.
            whole = takewhile(lambda line: line.endswith("\n"), text)
            first: LogStep | None = None
            for index, step in enumerate(steps_of(whole)):
                first = first or step
                yield _record(step, first, f"{file.stem}-{index:06d}")
        if first is None:
            raise DataError(
                f"'{file.path}' has no total energy of CP2K; was the calculation cut in its first "
                "step?"
            )


def _record(step: LogStep, first: LogStep, name: str) -> Record:
    lacking = any(
        getattr(first, key) is not None and getattr(step, key) is None
        for key in ("forces", "stress")
    )
    if step.torn or lacking:
        return Rejection(name, TORN)
    if not step.converged:
        return Rejection(name, UNCONVERGED)
    if not step.structure:
        return Rejection(name, f"{_ELSEWHERE}.")
    values = {"energy": step.energy, "forces": step.forces, "stress": step.stress}
    frame = Frame(name=name, units=UNITS, **step.structure)
    present = {key: value for key, value in values.items() if value is not None}
    return replace(frame, values={**frame.values, **present})
