"""Files that ASE writes, with what they hold, for ``matsciml check``."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect
from ase.db.row import AtomsRow
from ase.io import Trajectory
from ase.io.jsonio import encode

from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import sodium_chloride, triclinic

_CRYSTALS = (sodium_chloride(), triclinic())
_FIELDS = ("numbers", "positions", "cell", "pbc", "energy", "forces", "stress")


def traj_samples(folder: Path) -> list[Sample]:
    """Write a trajectory into a folder."""
    path = folder / "mine.traj"
    _write_trajectory(path, len(_CRYSTALS))
    return [_sample(path, _write_trajectory)]


def ase_db_samples(folder: Path) -> list[Sample]:
    """Write a database into a folder."""
    path = folder / "mine.db"
    _write_database(path, len(_CRYSTALS))
    return [_sample(path, _write_database)]


def ase_json_samples(folder: Path) -> list[Sample]:
    """Write a database in JSON into a folder."""
    path = folder / "mine.json"
    _write_database(path, len(_CRYSTALS))
    return [_sample(path, _write_database)]


def aselmdb_samples(folder: Path) -> list[Sample]:
    """Write a database in LMDB into a folder."""
    path = folder / "mine.aselmdb"
    _write_lmdb(path, len(_CRYSTALS))
    return [_sample(path, _write_lmdb)]


def _sample(path: Path, write_many: Any) -> Sample:
    frames = []
    for index, crystal in enumerate(_CRYSTALS):
        energy, forces, stress = _results(index, crystal.num_atoms)
        frame = frame_of(
            crystal,
            {"energy": energy, "forces": forces, "stress": stress},
            name=f"crystal-{index}",
            site_properties={"fixed": [1] + [0] * (crystal.num_atoms - 1)},
        )
        frames.append(frame)
    return Sample(path=path, frames=frames, write_many=write_many)


def _images(count: int) -> Iterable[Atoms]:
    for index in range(count):
        crystal = _CRYSTALS[index % len(_CRYSTALS)]
        atoms = Atoms(crystal.atomic_numbers, crystal.positions, cell=crystal.cell, pbc=True)
        energy, forces, stress = _results(index, crystal.num_atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
        atoms.set_constraint(FixAtoms([0]))
        atoms.info["material_id"] = f"crystal-{index}"
        yield atoms


def _results(index: int, atoms: int) -> tuple[float, Any, Any]:
    """Return energy, eV, forces, ``(atoms, 3)``, eV/Å, and stress, ``(6,)``, eV/Å³."""
    forces = np.arange(3.0 * atoms).reshape(atoms, 3) / 10 - index
    return -1.5 - index, forces, np.arange(6.0) / 1000


def _write_trajectory(path: Path, count: int) -> None:
    with Trajectory(str(path), "w") as trajectory:
        for atoms in _images(count):
            trajectory.write(atoms)


def _write_database(path: Path, count: int) -> None:
    with connect(str(path), use_lock_file=False) as database:
        for index, atoms in enumerate(_images(count)):
            database.write(atoms, material_id=f"crystal-{index}")


def _write_lmdb(path: Path, count: int) -> None:
    with (
        lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 26) as environment,
        environment.begin(write=True) as transaction,
    ):
        for index, atoms in enumerate(_images(count)):
            row = AtomsRow(atoms)
            more = {"constraints": row.constraints, "data": {"id": f"crystal-{index}"}}
            text = encode({**{name: row[name] for name in _FIELDS}, **more})
            transaction.put(str(index + 1).encode(), zlib.compress(text.encode()))
        transaction.put(b"nextid", zlib.compress(str(count + 1).encode()))
