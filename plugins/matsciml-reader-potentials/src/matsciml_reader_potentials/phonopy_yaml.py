"""Supercells in the YAML of phonopy and phono3py, with displacements, and forces where it has them.

Datasets come in two kinds. Of the first, for small displacements, each supercell has one displaced
atom, or a pair of them whose displacements add up; of the second, every atom is displaced. Files of
earlier versions say the same under other keys. Lengths, forces and energies are in the units of the
calculator that the file names, VASP's where it names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import DataError
from matsciml_core.guarded import parse_yaml
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_potentials.atomic_units import BOHR, HARTREE

_RY = HARTREE / 2
_EV_ANGSTROM = (1.0, 1.0, 1.0)
_HARTREE_BOHR = (BOHR, HARTREE / BOHR, HARTREE)
CALCULATORS = {
    **dict.fromkeys(("vasp", "aims", "lammps", "pwmat", "crystal", "castep"), _EV_ANGSTROM),
    **dict.fromkeys(("siesta", "abacus"), (BOHR, 1.0, 1.0)),
    **dict.fromkeys(("elk", "dftbp", "turbomole", "fleur", "exciting", "octopus"), _HARTREE_BOHR),
    **dict.fromkeys(("qe", "qlm"), (BOHR, _RY / BOHR, _RY)),
    "abinit": (BOHR, 1.0, HARTREE),
    "cp2k": (1.0, HARTREE / BOHR, HARTREE),
    "wien2k": (BOHR, 1e-3 * _RY / BOHR, _RY),
}
"""Calculator → Å, eV/Å and eV in its units of length, force and energy; phonopy 4.10.0."""
_LENGTHS = {"angstrom": 1.0, "au": BOHR}
_ROWS = re.compile(
    r"^( *)- \[[^\[\]\n]*\][ \t]*(?:#.*)?\n(?:\1- \[[^\[\]\n]*\][ \t]*(?:#.*)?\n)*", re.MULTILINE
)
"""Rows of numbers one below the other, which are nearly all of a file."""
_SYMBOL = re.compile(r"([A-Z][a-z]?)\d*")
Numbers = NDArray[np.float64]


@dataclass
class Displaced:
    """A supercell with displaced atoms, in the units of its file."""

    displacements: Numbers
    """``(atoms, 3)``."""
    forces: Numbers | None = None
    """``(rows, 3)``; as many rows as atoms, unless the file ends among them."""
    energy: float | None = None


@dataclass
class Supercell:
    """A supercell without displacements, in Å, and those with them in the units of the file."""

    numbers: list[int]
    """Atomic numbers."""
    positions: Numbers
    cell: Numbers
    values: dict[str, Any]
    """Of its atoms."""
    length: float
    """Å in the file's unit."""
    force: float
    """eV/Å."""
    energy: float
    """eV."""
    displaced: list[Displaced] = field(default_factory=list)


def supercells_of(text: str, path: str) -> dict[str, Supercell]:
    """Return the supercells of a file that have displacements.

    Args:
        text: The file.
        path: Its name, for errors.

    Returns:
        Under ``""`` the one of the force constants, of phono3py those of the third order; under
        ``phonon_`` another one for the second order.

    Raises:
        DataError: It is none of phonopy's or phono3py's, or says what cannot be.
    """
    rows: list[Numbers] = []
    if not text.endswith(("\n", "]")):  # half a number, perhaps
        text = text.rpartition("\n")[0]
    text += "\n"
    try:
        data = parse_yaml(_ROWS.sub(lambda match: _noted(match, rows), text), plain=True)
        data = _with_rows(data, rows)
        return _supercells(data)
    except DataError as error:
        raise DataError(f"'{path}': {error}") from error
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"'{path}' is incomplete, or not as phonopy writes it.") from error
    except Exception as error:  # PyYAML's own, which a module without it cannot name
        raise DataError(f"'{path}' is no YAML.") from error


def _noted(match: re.Match[str], rows: list[Numbers]) -> str:
    """Return a row that names numbers, in place of the rows that have them."""
    try:
        table = [
            [float(word) for word in line.partition("[")[2].partition("]")[0].split(",")]
            for line in match[0].splitlines()
        ]
        rows.append(np.array(table))
    except ValueError:  # words, or rows of different lengths
        return match[0]
    return f"{match[1]}- =rows {len(rows) - 1}\n"


def _with_rows(data: Any, rows: list[Numbers]) -> Any:
    """Return what YAML says, with the numbers that were taken out."""
    if isinstance(data, dict):
        return {key: _with_rows(value, rows) for key, value in data.items()}
    if not isinstance(data, list):
        return data
    if len(data) == 1 and isinstance(data[0], str) and data[0].startswith("=rows "):
        return rows[int(data[0].partition(" ")[2])]
    return [_with_rows(value, rows) for value in data]


def _supercells(data: Mapping[str, Any]) -> dict[str, Supercell]:
    header = next((data[key] for key in ("phonopy", "phono3py") if key in data), None)
    if header is None:
        raise DataError("it has no section 'phonopy' or 'phono3py'.")
    units = _units(header, data.get("physical_unit") or {})
    own = {key for key in data if key.startswith("phonon_dis") or key == "phonon_dataset"}
    if "phonon_supercell" in data and "displacements" in data and not own:
        raise DataError(
            "its displacements may be of the second or third order, which phono3py before 2.2 did "
            "not say; load and save it with a later one."
        )
    supercells = {}
    if "supercell" in data:
        supercells[""] = _supercell(data["supercell"], units)
        supercells[""].displaced = _displaced(data, "", len(supercells[""].numbers))
    if own:
        cell = _supercell(data.get("phonon_supercell") or data["supercell"], units)
        cell.displaced = _displaced(data, "phonon_", len(cell.numbers))
        supercells["phonon_"] = cell
    return {prefix: cell for prefix, cell in supercells.items() if cell.displaced}


def _units(header: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return Å, eV/Å and eV in a file's units of length, force and energy.

    Raises:
        DataError: The calculator is unknown, or has another unit of length than the file says.
    """
    calculator = header.get("calculator", "vasp") if isinstance(header, dict) else "vasp"
    if calculator not in CALCULATORS:
        raise DataError(f"the units of its calculator '{calculator}' are not known.")
    units = CALCULATORS[calculator]
    length = said.get("length", "")
    if _LENGTHS.get(length, units[0]) != units[0]:
        raise DataError(f"its length is in '{length}', which '{calculator}' does not use.")
    return units


def _supercell(data: Mapping[str, Any], units: tuple[float, float, float]) -> Supercell:
    points = data["points"]
    if any("mixture" in point or "weight" in point for point in points):
        raise DataError("its sites are shared by several elements.")
    matches = [_SYMBOL.fullmatch(point["symbol"]) for point in points]
    symbols = [match[1] if match else "" for match in matches]
    numbers = [number for number in map(atomic_number, symbols) if number is not None]
    if len(numbers) < len(points):
        raise DataError("an atom of its supercell is of no element.")
    cell = np.array(data["lattice"], dtype=np.float64).reshape(3, 3) * units[0]
    fractions = np.array([point["coordinates"] for point in points], dtype=np.float64)
    values: dict[str, Any] = {}
    if all("mass" in point for point in points):
        values["masses"] = np.array([point["mass"] for point in points], dtype=np.float64)
    if all("magnetic_moment" in point for point in points):
        moments = [point["magnetic_moment"] for point in points]
        values["magnetic_moment"] = np.array(moments, dtype=np.float64)
    return Supercell(
        numbers=numbers,
        positions=fractions.reshape(-1, 3) @ cell,
        cell=cell,
        values=values,
        length=units[0],
        force=units[1],
        energy=units[2],
    )


def _displaced(data: Mapping[str, Any], prefix: str, atoms: int) -> list[Displaced]:
    """Return the displaced supercells of either kind; none where the file has none."""
    if not prefix and "displacement_pairs" in data:
        return list(_pairs(data["displacement_pairs"], atoms))
    dataset = data.get(f"{prefix}dataset")
    if dataset:
        return list(_random(dataset))
    steps = data.get(f"{prefix}displacements") or []
    if any(isinstance(step, list) for step in steps):  # the second kind before phonopy 2.24
        energies = data.get(f"{prefix}supercell_energies") or [None] * len(steps)
        return [_listed(step, energy) for step, energy in zip(steps, energies, strict=False)]
    return [_with_results(step, atoms, (step,)) for step in steps]


def _pairs(firsts: Sequence[Mapping[str, Any]], atoms: int) -> Iterator[Displaced]:
    """Yield supercells of the third order as phono3py numbers them: single atoms, then pairs."""
    for first in firsts:
        yield _with_results(first, atoms, (first,))
    for first in firsts:
        for second in first.get("paired_with") or ():
            # A file without forces lists the displacements of one second atom.
            for displacement in second.get("displacements", (second.get("displacement"),)):
                moved = {"atom": second["atom"], "displacement": displacement}
                yield _with_results(second, atoms, (first, moved))


def _with_results(
    step: Mapping[str, Any], atoms: int, moved: Sequence[Mapping[str, Any]]
) -> Displaced:
    """Return the supercell of a step in which one or two atoms are displaced."""
    displacements = np.zeros((atoms, 3))
    for one in moved:
        vector = one.get("displacement")
        if vector is None or len(vector) != 3:  # the file ends in it
            return Displaced(displacements)
        displacements[int(one["atom"]) - 1] += np.array(vector, dtype=np.float64)
    energy = step.get("supercell_energy")
    return Displaced(
        displacements,
        _table(step["forces"]) if "forces" in step else None,
        None if energy is None else float(energy),
    )


def _random(dataset: Mapping[str, Any]) -> Iterator[Displaced]:
    forces, energies = dataset.get("forces", ()), dataset.get("supercell_energies", ())
    for index, displacements in enumerate(dataset["displacements"]):
        yield Displaced(
            np.array(displacements, dtype=np.float64).reshape(-1, 3),
            _table(forces[index]) if index < len(forces) else None,
            float(np.ravel(energies[index])[0]) if index < len(energies) else None,
        )


def _listed(step: Sequence[Mapping[str, Any]], energy: Any) -> Displaced:
    rows = [atom["force"] for atom in step if "force" in atom]
    return Displaced(
        np.array([atom["displacement"] for atom in step], dtype=np.float64),
        _table(rows) if rows else None,
        None if energy is None else float(energy),
    )


def _table(rows: Any) -> Numbers:
    given = rows if len(rows) else ()  # YAML's text for nothing, where the file ends
    return np.array(given, dtype=np.float64).reshape(-1, 3)
