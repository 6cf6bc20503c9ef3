"""Files that Atompack's library writes, with what they hold, for ``matsciml check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import atompack
import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import sodium_chloride, triclinic

_CRYSTALS = (sodium_chloride(), triclinic())


def samples(folder: Path) -> list[Sample]:
    """Write a file as published sets are: float32, with results and properties."""
    path = folder / "mine.atp"
    write_many(path, len(_CRYSTALS))
    return [Sample(path=path, frames=[_frame(index) for index in range(2)], write_many=write_many)]


def write_many(path: Path, count: int) -> None:
    """Write so many records."""
    database = atompack.Database(str(path), overwrite=True)
    for index in range(count):
        crystal = _CRYSTALS[index % len(_CRYSTALS)]
        forces, stress = _results(crystal.num_atoms, index)
        molecule = atompack.Molecule.from_arrays(
            crystal.positions.astype(np.float32),
            crystal.atomic_numbers,
            energy=-1.5 - index,
            forces=forces.astype(np.float32),
            stress=stress,
            cell=crystal.cell,
            pbc=(True, True, True),
        )
        molecule.set_property("material_id", f"crystal-{index}")
        molecule.set_property("gap", 0.5 * index)
        database.add_molecule(molecule)
    database.flush()


def _frame(index: int) -> Frame:
    crystal = _CRYSTALS[index]
    forces, stress = _results(crystal.num_atoms, index)
    values = {"energy": -1.5 - index, "forces": forces, "stress": stress, "gap": 0.5 * index}
    return frame_of(crystal, values, name=f"crystal-{index}")


def _results(atoms: int, index: int) -> tuple[Any, Any]:
    """Return forces, ``(atoms, 3)``, eV/Å, that float32 holds, and a stress, ``(3, 3)``, eV/Å³."""
    return np.arange(3.0 * atoms).reshape(atoms, 3) / 8 - index, np.diag([0.01, 0.02, 0.03])
