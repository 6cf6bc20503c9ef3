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

from matsciml_core.data.readers import Frame
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


_VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <atominfo><array name="atoms"><set>
  <rc><c>Na</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array></atominfo>
 <structure name="initialpos">
  <varray name="selective"><v type="logical">F F F</v><v type="logical">T T F</v></varray>
 </structure>
{steps}</modeling>
"""
_STEP = """ <calculation>
  <scstep><energy><i name="e_fr_energy">-6.5</i><i name="e_0_energy">-6.4</i></energy></scstep>
  <structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 {edge}</v></varray>
  </crystal><varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
  <varray name="forces"><v>0 0 0.1</v><v>0 0 -0.1</v></varray>
  <varray name="stress"><v>16 0 0</v><v>0 16 0</v><v>0 0 16</v></varray>
  <energy><i name="e_fr_energy">-6.7</i><i name="e_wo_entrp">-6.6</i>
   <i name="e_0_energy">0.3</i></energy>
 </calculation>
"""


def vasprun_samples(folder: Path) -> list[Sample]:
    """Write what VASP leaves of two ionic steps, with its wrong extrapolated energy."""
    path = folder / "vasprun.xml"
    _write_vasprun(path, 2)
    frames = [
        Frame(
            name=f"vasprun-{index:06d}",
            atomic_numbers=[11, 17],
            positions=np.array([[0, 0, 0], [2, 2, 2 + 0.25 * index]]),
            cell=np.diag([4, 4, 4 + 0.5 * index]),
            values={
                "free_energy": -6.7,
                "energy_sigma0": -6.6,
                "forces": [[0, 0, 0.1], [0, 0, -0.1]],
                "stress": np.diag([16.0, 16.0, 16.0]),
            },
            site_properties={"fixed": [1, 0], "held_axes": [0, 32]},
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=_write_vasprun)]


def _write_vasprun(path: Path, count: int) -> None:
    steps = "".join(_STEP.format(edge=4 + 0.5 * (index % 2)) for index in range(count))
    path.write_text(_VASPRUN.format(steps=steps), encoding="utf-8")
