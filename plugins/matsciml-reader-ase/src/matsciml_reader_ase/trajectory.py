"""Trajectories of ASE, ``.traj``.

Frames are taken as the file holds them, through ASE's own reader of its parts: to make ASE's atoms
of each, and a copy of these for its calculator, takes half of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.cell import Cell
from ase.constraints import dict2constraint
from ase.io import trajectory as ase_trajectory
from ase.io.jsonio import decode
from numpy.typing import NDArray

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of
from matsciml_core.errors import DataError

_OWN_ARRAYS = frozenset({"numbers", "positions"})
_TAGS = "tags"
_ARRAYS = {
    "momenta": "momenta",
    "magmoms": "initial_magmoms",
    "charges": "initial_charges",
    _TAGS: _TAGS,
}
"""What a file calls values per atom → what ASE's atoms call them."""
_NUMBERS = frozenset({"energy", "free_energy", "magmom"})
"""Results that are one number; the others are arrays."""


class TrajectoryReader(Reader):
    """Reads trajectories frame by frame, with what a calculator left in them."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the frames of a trajectory.

        Args:
            file: The file.

        Raises:
            DataError: A frame cannot be read; those before it have been yielded.
        """
        path = file.plain_path()
        index = 0
        try:
            # Opened here, because ASE leaves a file open that is none of its own.
            with path.open("rb") as stream:
                parts = ase_trajectory.TrajectoryReader(stream).backend
                first = None
                for index in range(len(parts)):
                    part = parts[index]
                    # What is as in the first frame is not written again.
                    header = _header(part) if first is None or "numbers" in part else first
                    first = first or header
                    yield _frame(part, header, f"{file.stem}-{index:06d}")
        except Exception as error:
            raise DataError(
                f"Structure {index} of '{path}' cannot be read ({type(error).__name__}: {error}); "
                "correct the file there."
            ) from error


@dataclass(frozen=True, slots=True)
class _Header:
    """What frames of a trajectory share."""

    numbers: NDArray[np.int64]
    pbc: Sequence[bool]
    arrays: Mapping[str, NDArray[np.float64]]
    """Masses, where some were set."""
    constraints: Sequence[Any]


def _header(part: Any) -> _Header:
    masses = part.get("masses")
    return _Header(
        numbers=part.numbers,
        pbc=part.pbc,
        arrays={} if masses is None else {"masses": masses},
        constraints=[dict2constraint(one) for one in decode(part.get("constraints", "[]"))],
    )


def _frame(part: Any, header: _Header, otherwise: str) -> Frame:
    """Return a frame out of its part of a file; its name where it has none is ``otherwise``."""
    arrays = dict(header.arrays)
    arrays |= {name: part.get(key) for key, name in _ARRAYS.items() if key in part}
    values = {**arrays, **part.get("info", {})}
    if "calculator" in part:
        values |= _results(part.calculator)
    positions = part.positions
    site_properties = {}
    if header.constraints or _TAGS in arrays:
        held = list(header.constraints)
        atoms = Atoms(header.numbers, positions, tags=arrays.get(_TAGS), constraint=held)
        site_properties = site_properties_of(atoms)
    return Frame(
        name=name_of(values, otherwise),
        atomic_numbers=header.numbers,
        positions=positions,
        cell=Cell.new(part.cell).array,
        pbc=header.pbc,
        values=values,
        site_properties=site_properties,
    )


def _results(calculator: Any) -> dict[str, Any]:
    """Return what a calculator left, in the types that ASE gives it."""
    found = ((name, calculator.get(name)) for name in all_properties if name in calculator)
    return {
        name: value if name in _NUMBERS else np.array(value, dtype=np.float64)
        for name, value in found
        if value is not None
    }


def frame_from_atoms(atoms: Any, otherwise: str) -> Frame:
    """Return ASE's atoms as a record.

    Args:
        atoms: ``ase.Atoms``.
        otherwise: The record's name where the atoms' ``info`` has none.
    """
    # get_forces() sets forces on atoms that are held to zero; the results are what was calculated.
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    arrays = {key: value for key, value in atoms.arrays.items() if key not in _OWN_ARRAYS}
    values = {**arrays, **atoms.info, **results}
    return Frame(
        name=name_of(values, otherwise),
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        values=values,
        site_properties=site_properties_of(atoms),
    )
