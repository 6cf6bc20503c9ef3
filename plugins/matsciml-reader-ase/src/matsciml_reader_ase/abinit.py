"""The text output of ABINIT, read here.

ASE 3.29.0 reads the last structure alone, and takes ``rprim`` for the cell in Å: the numbers are to
be multiplied by ``acell``, and are in bohr. Of MgB₂, whose input has bohr, it makes a cell that is
1.89 times too wide around atoms at the right places.

Cells are read where each dataset prints them, structures of relaxations and dynamics from their
``OUTPUT`` sections, a single one at the end of its dataset. ABINIT prints one energy, the free one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError

HARTREE, BOHR = 27.211386245981, 0.529177210544
"""eV and Å; CODATA 2022."""
UNITS = {"energy": "eV", "forces": "eV/A", "stress": "eV/A^3"}
_DATASET = "== DATASET"
_ECHO = "echo values of preprocessed input variables"
_END = "== END DATASET(S)"
_VECTOR = re.compile(r" R\(([123])\)=(.{11})(.{11})(.{11})")
_SIGMA = re.compile(r"sigma\((\d) (\d)\)=\s*(\S+)")
_TORN = "The step was not written to its end."


@dataclass
class _Step:
    """What is known so far of a structure; lengths in bohr, energies in hartree."""

    cell: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    stress: dict[tuple[int, int], float] = field(default_factory=dict)
    positions: NDArray[np.float64] | None = None
    forces: NDArray[np.float64] | None = None
    energy: float | None = None

    def frame(self, name: str, numbers: list[int]) -> Frame:
        """Return the record, in eV and Å."""
        values: dict[str, Any] = {"energy": (self.energy or 0.0) * HARTREE}
        if self.forces is not None:
            values["forces"] = self.forces * (HARTREE / BOHR)
        if len(self.stress) == 6:
            tensor = np.zeros((3, 3))
            for (i, j), value in self.stress.items():
                tensor[i - 1, j - 1] = tensor[j - 1, i - 1] = value
            values["stress"] = tensor * (HARTREE / BOHR**3)
        return Frame(
            name=name,
            atomic_numbers=numbers,
            positions=np.asarray(self.positions) * BOHR,
            cell=np.array([self.cell[i] for i in (1, 2, 3)]) * BOHR,
            values=values,
            units=UNITS,
        )


class AbinitReader(Reader):
    """Reads the structures of all datasets."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield a record per structure whose energy was calculated.

        Args:
            file: The file.

        Raises:
            DataError: It is no output of ABINIT, has datasets of different atoms, or ends before
                the first structure is complete.
        """
        with file.open() as stream:
            lines = stream.read().decode(errors="replace").split("\n")[:-1]
        starts = [i for i, line in enumerate(lines) if line.startswith(_DATASET)]
        if not starts:
            raise DataError(
                f"'{file.path}' is no output of ABINIT, or ends before its first dataset."
            )
        numbers = _atomic_numbers(lines[: starts[0]], file)
        ends = [i for i, line in enumerate(lines) if line.startswith(_END)]
        count = 0
        for first, last in zip(starts, [*starts[1:], (ends or [len(lines)])[0]], strict=True):
            steps, torn = _dataset(lines[first:last], len(numbers))
            for step in steps:
                yield step.frame(f"{file.stem}-{count:06d}", numbers)
                count += 1
            if torn and count:
                yield Rejection(f"{file.stem}-{count:06d}", _TORN)
        if not count:
            raise DataError(
                f"'{file.path}' has no structure with an energy; was the calculation cut in its "
                "first step, or is it one without forces, such as of bands?"
            )


def _atomic_numbers(lines: list[str], file: InputFile) -> list[int]:
    """Return the atomic numbers out of the echo of the input."""
    words: dict[str, list[str]] = {}
    key = ""
    echo = next((i for i, line in enumerate(lines) if _ECHO in line), len(lines))
    for line in takewhile(lambda line: not line.startswith("==="), lines[echo + 1 :]):
        parts = line[1:].split()  # behind what the first column marks
        if parts and parts[0][0].isalpha():
            key = parts.pop(0)
            words[key] = []
        words.setdefault(key, []).extend(parts)
    for name in ("natom", "typat", "znucl"):
        if name not in words:
            raise DataError(
                f"'{file.path}' does not say '{name}' for all its datasets; split it into one file "
                "per kind of crystal."
            )
    count = int(words["natom"][0])
    kinds = [int(word) for word in words["typat"][:count]]
    charges = [float(word) for word in words["znucl"]]
    numbers = [round(charges[kind - 1]) for kind in kinds]
    if any(numbers[i] != charges[kind - 1] for i, kind in enumerate(kinds)):
        raise DataError(f"'{file.path}' has a mixed element, of fractional charge; leave it out.")
    return numbers


def _dataset(lines: list[str], atoms: int) -> tuple[list[_Step], bool]:
    """Return the structures of a dataset, and whether it ends within one."""
    moving = any(line.startswith("---OUTPUT") for line in lines)
    steps: list[_Step] = []
    step = _Step()
    begun = False
    for index, line in enumerate(lines):
        vector = _VECTOR.match(line)
        if vector:
            step.cell[int(vector[1])] = np.array([float(vector[i]) for i in (2, 3, 4)])
        elif line.startswith(" Cartesian components of stress tensor (hartree"):
            rows = lines[index + 1 : index + 4]
            step.stress = {
                (int(i), int(j)): float(value)
                for row in rows
                for i, j, value in _SIGMA.findall(row)
            }
        elif line.startswith(" ETOT"):
            begun = True
            if not moving:
                step.energy = _float(line[8:].split()[0])
        elif "(xcart) [bohr]" in line:
            step.positions = _rows(lines, index, atoms)
        elif "(fcart) [Ha/bohr]" in line:
            step.forces = _rows(lines, index, atoms)
        elif "(rprimd) [bohr]" in line:
            vectors = _rows(lines, index, 3)
            if vectors is not None:
                step.cell = dict(zip((1, 2, 3), vectors, strict=True))
        elif "Total energy (etotal) [Ha]=" in line and moving:
            step.energy = _float(line.rpartition("=")[2])
            if _is_whole(step):
                steps.append(step)
                begun = False
                step = _Step(cell=dict(step.cell))
        elif "cartesian coordinates (angstrom) at end" in line and not moving:
            angstrom = _rows(lines, index, atoms, columns=slice(1, 4))
            step.positions = None if angstrom is None else angstrom / BOHR
        elif "cartesian forces (hartree/bohr) at end" in line and not moving:
            step.forces = _rows(lines, index, atoms, columns=slice(1, 4))
    if not moving and _is_whole(step):
        return [step], False
    ended = any("iterations are completed or convergence reached" in line for line in lines)
    return steps, begun and not ended


def _is_whole(step: _Step) -> bool:
    return step.energy is not None and step.positions is not None and len(step.cell) == 3


def _rows(
    lines: list[str], index: int, count: int, columns: slice = slice(0, 3)
) -> NDArray[np.float64] | None:
    """Return rows of three numbers behind a line; None where the file ends within them."""
    rows = [line.split()[columns] for line in lines[index + 1 : index + 1 + count]]
    if len(rows) < count or any(len(row) != 3 for row in rows):
        return None
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        return None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
