"""Files as the toolkit writes them, with what they hold, for ``matsciml check``."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import sodium_chloride, triclinic

_CRYSTALS = (sodium_chloride(), triclinic())


def samples(folder: Path) -> list[Sample]:
    """Write records as those of LiPS and of Alexandria are."""
    path = folder / "mine.lmdb"
    write_many(path, len(_CRYSTALS))
    first = {"energy": -1.0, "force": _forces(_CRYSTALS[0])}
    frames = [
        frame_of(_CRYSTALS[0], first, name="mine-000000"),
        frame_of(_CRYSTALS[1], {"energy": -2.0, "gap": 0.5}, name="mine-000001"),
    ]
    return [Sample(path=path, frames=frames, write_many=write_many)]


def write_many(path: Path, count: int) -> None:
    """Write so many records."""
    write_records(path, (_record(index) for index in range(count)))


def write_records(path: Path, records: Iterable[Any]) -> None:
    """Pickle records into an LMDB file, under keys that count from 0."""
    environment = lmdb.open(str(path), subdir=False, map_size=1 << 30, lock=False)
    with environment.begin(write=True) as transaction:
        for key, record in enumerate(records):
            transaction.put(str(key).encode(), pickle.dumps(record))
    environment.close()


def _record(index: int) -> dict[str, Any]:
    crystal = _CRYSTALS[index % 2]
    energy = -1.0 - index
    if index % 2 == 0:
        return {
            "pos": crystal.positions,
            "cell": crystal.cell,
            "atomic_numbers": crystal.atomic_numbers,
            "pbc": crystal.pbc.astype(np.int64),
            "energy": np.float64(energy),
            "force": _forces(crystal),
        }
    sites = [
        {"species": [{"element": symbol(number), "occu": 1}], "abc": position.tolist()}
        for number, position in zip(crystal.atomic_numbers, crystal.fractional, strict=True)
    ]
    structure = {"lattice": {"matrix": crystal.cell.tolist()}, "sites": sites}
    return {
        "structure": structure,
        "targets": {"regression": {"energy": energy, "gap": 0.5}, "classification": {}},
        "target_types": {"regression": ["energy", "gap"], "classification": []},
    }


def _forces(crystal: Crystal) -> Any:
    """Return forces that add up to zero, ``(atoms, 3)``, eV/Å."""
    forces = np.zeros((crystal.num_atoms, 3))
    forces[0, 0], forces[-1, 0] = 0.5, -0.5
    return forces
