"""Trajectories of CP2K: ``PROJECT-pos-1.xyz``, with what the same run writes beside it.

One run writes a file for each quantity, all of them XYZ, and ASE 3.29.0 reads each as structures:
energies stay hartree in a word of the comment, ``PROJECT-frc-1.xyz`` becomes a structure whose
positions are the forces, and nothing is periodic. Here the files of a project are put together by
step and energy, which both repeat:

- positions, Å, and the energy, hartree, from ``PROJECT-pos-1.xyz``;
- forces, hartree/bohr, from ``PROJECT-frc-1.xyz`` where it exists;
- the cell, Å, from ``PROJECT-1.cell``; where there is none, from ``PROJECT-1.restart`` of a run in
  which it does not change, or from the setting ``cell``.

The energy is the one that forces belong to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

UNITS = {"energy": "eV", "forces": "eV/A"}
_NAME = re.compile(r"(?P<project>.+)-(?P<kind>pos|frc|vel)-(?P<run>\d+)\.xyz", re.IGNORECASE)
_COMMENT = re.compile(rb"\s*i\s*=\s*(\d+),.*?E\s*=\s*(\S+)")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_TORN = "The step was not written to its end."
Key = tuple[int, bytes]
"""Step and energy, as the files write them."""


@dataclass
class _Block:
    """Three numbers per atom, as they stand in a file."""

    key: Key
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
        beside = path.with_name(f"{match['project']}-frc-{match['run']}.xyz")
        places = _places(beside) if beside.exists() else {}
        forces = beside.open("rb") if places else None
        try:
            with path.open("rb") as stream:
                count = 0
                while (block := _block(stream)) is not None:
                    name = f"{project}-{count:06d}"
                    count += 1
                    yield _record(name, block, cells, places, forces)
                if not count:
                    raise DataError(f"'{path}' has no step that was written by CP2K.")
                if stream.read(1):
                    yield Rejection(f"{project}-{count:06d}", _TORN)
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
            values["forces"] = own.values * (HARTREE / BOHR)
    return Frame(
        name=name,
        atomic_numbers=elements,
        positions=block.values,
        cell=cell,
        values=values,
        units=UNITS,
    )


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
    return _Block((int(comment[1]), comment[2]), symbols, values)


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
            places[int(comment[1]), comment[2]] = start
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
