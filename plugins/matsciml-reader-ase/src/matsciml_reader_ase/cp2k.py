"""Trajectories of CP2K: ``PROJECT-pos-1.xyz``, with what the same run writes beside it.

One run writes a file for each quantity, all of them XYZ, and ASE 3.29.0 reads each as structures:
energies stay hartree in a word of the comment, ``PROJECT-frc-1.xyz`` becomes a structure whose
positions are the forces, and nothing is periodic. Here the files of a project are put together by
step and energy, which both repeat:

- positions, Å, and the energy, hartree, from ``PROJECT-pos-1.xyz``;
- forces, hartree/bohr, from ``PROJECT-frc-1.xyz`` where it exists;
- the cell, Å, from ``PROJECT-1.cell``; where there is none, from ``PROJECT-1.restart`` of a run in
  which it does not change, or from the setting ``cell``;
- the stress from the log of the project, by its energy; a step in which the electrons did not
  converge there is rejected. Without a log, ``PROJECT-1.stress`` has it of optimisations; that of
  dynamics has a kinetic part, and is called ``stress_with_kinetic``.

The units of positions and forces can be set (``UNIT``), which these files do not say: they are
taken from ``PROJECT-1.restart`` where it exists. The energy is the one that forces belong to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.config import CP2KConfig
from matsciml_reader_ase.cp2k_log import (
    FORCES,
    LENGTHS,
    PRESSURES,
    TORN,
    UNCONVERGED,
    UNITS,
    LogStep,
    factor_of,
    project_of,
    steps_of,
)

_NAME = re.compile(r"(?P<project>.+)-(?P<kind>pos|frc|vel)-(?P<run>\d+)\.xyz", re.IGNORECASE)
_COMMENT = re.compile(rb"\s*i\s*=\s*(\d+),(\s*time)?.*?E\s*=\s*(\S+)")
_HEAD = 1 << 16
"""Characters of a log in which the name of its project stands."""
_SECTIONS = {"TRAJECTORY": LENGTHS, "FORCES": FORCES}
"""Section of a restart that says the unit of a file."""
_SYMBOL = re.compile(r"[A-Z][a-z]?")
Key = tuple[int, bytes]
"""Step and energy, as the files write them."""


@dataclass
class _Block:
    """Three numbers per atom, as they stand in a file."""

    key: Key
    moving: bool
    """Whether it is a step of dynamics, which has a time."""
    symbols: list[str]
    values: NDArray[np.float64]


class CP2KReader(Reader):
    """Reads trajectories of CP2K with their forces and cells.

    Args:
        config: The cell of trajectories that have none beside them.
    """

    config: CP2KConfig

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the steps; one in which the file ends as a rejection.

        Args:
            file: The file of positions.

        Raises:
            DataError: It is no file of positions, or no cell is known.
        """
        path = file.plain_path()
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise DataError(f"'{path}' is not named like CP2K's files: PROJECT-pos-1.xyz.")
        if match["kind"].lower() != "pos":
            positions = path.with_name(f"{match['project']}-pos-{match['run']}.xyz")
            if positions.exists():
                return  # with which it is read, in a folder
            raise DataError(
                f"'{path}' holds forces or velocities of CP2K, and no structure; put "
                f"'{positions.name}' beside it, and name that."
            )
        project = f"{match['project']}-{match['run']}"
        cells = self._cells(path, path.with_name(f"{project}.cell"))
        run = _Run(path, match["project"], path.with_name(f"{project}.restart"))
        totals = _totals(path.with_name(f"{project}.stress"))
        beside = path.with_name(f"{match['project']}-frc-{match['run']}.xyz")
        places = _places(beside) if beside.exists() else {}
        forces = beside.open("rb") if places else None
        try:
            with path.open("rb") as stream:
                count = 0
                while (block := _block(stream)) is not None:
                    name = f"{project}-{count:06d}"
                    count += 1
                    record = _record(name, block, cells, places, forces, run.factors)
                    yield _with_stress(record, block, run, totals)
                if not count:
                    raise DataError(f"'{path}' has no step that was written by CP2K.")
                if stream.read(1):
                    yield Rejection(f"{project}-{count:06d}", TORN)
        finally:
            if forces is not None:
                forces.close()

    def _cells(self, path: Path, beside: Path) -> Callable[[int], NDArray[np.float64] | None]:
        """Return what tells the cell of a step, ``(3, 3)``, Å."""
        if self.config.cell:
            fixed = self.config.vectors
            return lambda step: fixed
        if beside.exists():
            with beside.open(encoding="utf-8", errors="replace") as stream:
                rows = [line.split() for line in stream if not line.startswith("#")]
            # Step, time, nine numbers, and the volume.
            table = {int(row[0]): np.array(row[2:11], float) for row in rows if len(row) >= 12}
            return lambda step: table[step].reshape(3, 3) if step in table else None
        restart = beside.with_suffix(".restart")
        cell = _cell_of_restart(restart) if restart.exists() else None
        if cell is None:
            raise DataError(
                f"No cell is known for '{path}'; put '{beside.name}' beside it (MOTION/PRINT/CELL "
                "of CP2K), or give it in Å: --set cell=10,10,10, or nine numbers."
            )
        return lambda step: cell


def _record(
    name: str,
    block: _Block,
    cells: Callable[[int], NDArray[np.float64] | None],
    places: dict[Key, int],
    forces: BinaryIO | None,
    factors: dict[str, float],
) -> Record:
    cell = cells(block.key[0])
    if cell is None:
        reason = "The file of cells has none for the step."
        return Rejection(name, reason, f"{reason[:-1]} {block.key[0]}.")
    elements = []
    for symbol in block.symbols:
        found = _SYMBOL.match(symbol.strip().capitalize() if symbol.isupper() else symbol)
        number = atomic_number(found[0]) if found else None
        if number is None:
            return Rejection(name, "An atom is of no element.", f"'{symbol}' is no element.")
        elements.append(number)
    values: dict[str, Any] = {"energy": float(block.key[1]) * HARTREE}
    if forces is not None and block.key in places:
        forces.seek(places[block.key])
        own = _block(forces)
        if own is not None:
            if own.symbols != block.symbols:
                return Rejection(name, "The file of forces has other atoms than that of positions.")
            values["forces"] = own.values * factors["FORCES"]
    return Frame(
        name=name,
        atomic_numbers=elements,
        positions=block.values * factors["TRAJECTORY"],
        cell=cell,
        values=values,
        units=UNITS,
    )


class _Run:
    """What the restart and the log of a project say beside its trajectory."""

    def __init__(self, path: Path, project: str, restart: Path) -> None:
        text = restart.read_text("utf-8", errors="replace") if restart.exists() else ""
        self.factors = {"TRAJECTORY": 1.0, "FORCES": HARTREE / BOHR}
        motion = text.partition("&FORCE_EVAL")[0]
        for name, units in _SECTIONS.items():
            section = re.search(rf"&{name}\b(.*?)&END {name}\b", motion, re.DOTALL)
            unit = re.search(r"^\s*UNIT\s+(\S+)", section[1], re.MULTILINE) if section else None
            if unit:
                self.factors[name] = factor_of(unit[1].strip("[]"), units, name.lower())
        self._steps: dict[int, LogStep | None] = {}
        for log in sorted({*path.parent.glob("*.out"), *path.parent.glob("*.log")}):
            with log.open(encoding="utf-8", errors="replace") as stream:
                if project_of(stream.read(_HEAD)) == project:
                    stream.seek(0)
                    self._add(steps_of(stream))

    def _add(self, steps: Iterable[LogStep]) -> None:
        for step in steps:
            key = _rounded(step.energy / HARTREE)
            other = self._steps.get(key, step)
            same = other is not None and np.array_equal(
                np.array(other.stress, float), np.array(step.stress, float), equal_nan=True
            )
            step.forces, step.structure = None, {}  # of which a long run has too many
            self._steps[key] = step if same else None

    def step(self, energy: float) -> LogStep | None:
        """Return the step of the log with an energy, hartree; None: none, or several that differ.

        Trajectories have ten of the log's decimals, of which the last may be rounded otherwise.
        """
        key = _rounded(energy)
        return next((self._steps[k] for k in (key, key - 1, key + 1) if k in self._steps), None)


def _rounded(energy: float) -> int:
    return round(energy * 1e10)


def _totals(path: Path) -> dict[int, NDArray[np.float64]]:
    """Return the stresses of a file, kinetic parts included, by step: eV/Å³, ASE's sign."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", errors="replace") as stream:
        header = stream.readline()
        unit = re.search(r"\bxx\s*\[(.+?)\]", header)
        if unit is None:
            raise DataError(f"'{path}' does not say the unit of its stresses in its first line.")
        factor = factor_of(unit[1], PRESSURES, "stress")
        rows = [line.split() for line in stream if not line.startswith("#")]
    return {
        int(row[0]): -np.array(row[2:11], dtype=np.float64).reshape(3, 3) * factor
        for row in rows
        if len(row) >= 11
    }


def _with_stress(
    record: Record, block: _Block, run: _Run, totals: dict[int, NDArray[np.float64]]
) -> Record:
    """Return a record with the stress of its step; a rejection where the log says it is wrong."""
    if not isinstance(record, Frame):
        return record
    step = run.step(float(block.key[1]))
    if step is not None and not step.converged:
        return Rejection(record.name, UNCONVERGED)
    total = totals.get(block.key[0])
    if step is not None and step.stress is not None:
        stress = {"stress": step.stress}
    elif total is not None:
        stress = {"stress_with_kinetic" if block.moving else "stress": total}
    else:
        return record
    return replace(record, values={**record.values, **stress})


def _block(stream: BinaryIO) -> _Block | None:
    """Return the next step of an XYZ file of CP2K; None where it ends, within a step or behind."""
    start = stream.tell()
    first = stream.readline()
    comment = _COMMENT.match(stream.readline())
    try:
        count = int(first)
        rows = [stream.readline() for _ in range(count)]
        words = [row.split() for row in rows]
        if comment is None or not count or not rows[-1].endswith(b"\n"):
            raise ValueError
        values = np.array([row[1:4] for row in words], dtype=np.float64)
        if values.shape != (count, 3):
            raise ValueError
    except ValueError:
        stream.seek(start)
        return None
    symbols = [row[0].decode(errors="replace") for row in words]
    return _Block((int(comment[1]), comment[3]), bool(comment[2]), symbols, values)


def _places(path: Path) -> dict[Key, int]:
    """Return where each step of a file begins, in bytes."""
    places: dict[Key, int] = {}
    with path.open("rb") as stream:
        while True:
            start = stream.tell()
            first = stream.readline().strip()
            comment = _COMMENT.match(stream.readline())
            if not first.isdigit() or comment is None:
                return places
            places[int(comment[1]), comment[3]] = start
            for _ in range(int(first)):
                stream.readline()


def _cell_of_restart(path: Path) -> NDArray[np.float64] | None:
    """Return the cell of a restart file, Å; None where it changes along the run."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if re.search(r"ENSEMBLE\s+NP|RUN_TYPE\s+CELL_OPT", text, re.IGNORECASE):
        return None
    section = re.search(r"&CELL\s*\n(.*?)&END CELL", text, re.IGNORECASE | re.DOTALL)
    rows = re.findall(
        r"^\s*[ABC]((?:\s+[-+.\dEe]+){3})\s*$", section[1] if section else "", re.MULTILINE
    )
    return np.array([row.split() for row in rows], dtype=np.float64) if len(rows) == 3 else None
