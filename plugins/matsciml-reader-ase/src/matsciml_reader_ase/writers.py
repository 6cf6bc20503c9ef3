"""Datasets as ASE's own files: trajectories, databases, databases in LMDB."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.db.core import now
from ase.db.row import AtomsRow
from ase.io import Trajectory
from ase.io.jsonio import encode

from matsciml_core.convert import to_ase
from matsciml_core.data.readers import ID_KEYS, Written
from matsciml_core.data.readers.labels import declaration
from matsciml_core.data.store.crystal_store import ENGINE
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo

_BATCH = 1000
"""Rows of a transaction, which are in memory at once."""
_MAP_SIZE = 1 << 40
"""Bytes of addresses that a database may grow to; the file is as large as its content."""
_ID = "material_id"
_CALCULATED = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}
_TAKEN = frozenset(
    {
        *(*all_properties, *ID_KEYS, *vars(AtomsRow), "numbers", "positions", "cell", "pbc"),
        *("tags", "masses", "momenta", "initial_magmoms", "initial_charges", "constraints"),
        *("ctime", "mtime", "user", "unique_id", "calculator", "calculator_parameters", "id"),
    }
)
"""Names to which ASE gives a meaning in a row, or by which a record is named."""
_Targets = Mapping[str, TargetInfo]


def write_traj(crystals: Iterable[Crystal], targets: _Targets, path: Path) -> Written:
    """Write crystals as images of a trajectory.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    with Trajectory(str(path), "w") as trajectory:
        for atoms, data in map(partial(_atoms_of, targets=targets), crystals):
            atoms.info.update(data)
            trajectory.write(atoms)
    return _written(targets)


def write_db(crystals: Iterable[Crystal], targets: _Targets, path: Path) -> Written:
    """Write crystals as rows of a database in SQLite.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    rows = map(partial(_atoms_of, targets=targets), crystals)
    database = connect(str(path), use_lock_file=False)
    # A transaction per batch: one per row would wait for the disk each time.
    while batch := list(islice(rows, _BATCH)):
        with database:
            for atoms, data in batch:
                database.write(atoms, data=data)
    return _written(targets)


def write_aselmdb(crystals: Iterable[Crystal], targets: _Targets, path: Path) -> Written:
    """Write crystals as rows of a database in LMDB, as ase-db-backends 0.10 keeps them.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    rows = enumerate(map(partial(_atoms_of, targets=targets), crystals), 1)
    count = 0
    with lmdb.open(
        str(path), subdir=False, lock=False, map_size=_MAP_SIZE, **ENGINE
    ) as environment:
        while batch := list(islice(rows, _BATCH)):
            with environment.begin(write=True) as transaction:
                for number, (atoms, data) in batch:
                    transaction.put(str(number).encode(), _packed(_row(atoms, data)))
                count = batch[-1][0]
        with environment.begin(write=True) as transaction:
            transaction.put(b"nextid", _packed(count + 1))
    return _written(targets)


def _atoms_of(crystal: Crystal, targets: _Targets) -> tuple[Any, dict[str, Any]]:
    """Return a crystal as atoms, and its id and the labels that ASE has no place for."""
    calculated = {
        name: value for name, value in crystal.labels.items() if _is_calculated(name, targets)
    }
    others = {
        _key(name, targets): np.asarray(value).tolist()
        for name, value in crystal.labels.items()
        if name not in calculated
    }
    bare = Crystal(
        id=crystal.id,
        atomic_numbers=crystal.atomic_numbers,
        positions=crystal.positions,
        cell=crystal.cell,
        pbc=crystal.pbc,
        labels=calculated,
        site_properties=crystal.site_properties,
    )
    atoms = to_ase(bare, targets)
    atoms.info.clear()
    if atoms.calc is None:  # or a row of a database has no results, and another code to read them
        atoms.calc = SinglePointCalculator(atoms)
    return atoms, {_ID: crystal.id, **others}


def _is_calculated(name: str, targets: _Targets) -> bool:
    """Return whether a label is what ASE's calculators return under its name."""
    return name in targets and _CALCULATED.get(name) == targets[name].unit


def _key(name: str, targets: _Targets) -> str:
    """Return under which name a label stands: its own, where ASE gives that no other meaning."""
    own = name not in _TAKEN or _is_calculated(name, targets)
    return name if own else f"label_{name}"


def _row(atoms: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Return a row in the form of ASE's JSON."""
    row = AtomsRow(atoms)
    fields = {key: row[key] for key in row.__dict__ if key[0] != "_" and key not in ("id", "user")}
    fields["cell"] = np.asarray(fields["cell"])
    times = dict.fromkeys(("ctime", "mtime"), now())
    fields |= {"constraints": row.constraints, "user": "", "key_value_pairs": {}, "data": data}
    return {**fields, **times}


def _packed(content: Any) -> bytes:
    return zlib.compress(encode(content).encode())


def _written(targets: _Targets) -> Written:
    return Written(
        labels={name: declaration(info, _key(name, targets)) for name, info in targets.items()}
    )
