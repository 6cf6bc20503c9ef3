"""Datasets as Atompack: energy, forces and stress as results, other labels as properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import atompack
import numpy as np

from matsciml_core.data.readers import ID_KEYS, Written
from matsciml_core.data.readers.labels import declaration
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo
from matsciml_reader_atompack.reader import SITE_PREFIX

_BATCH = 1024
"""Crystals that are handed over at a time."""
_ID = "material_id"
_RESULTS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}
_TAKEN = frozenset({*_RESULTS, *ID_KEYS, "charges", "velocities"})
"""Names to which the format gives a meaning, or by which a record is named."""


def write_crystals(
    crystals: Iterable[Crystal], targets: Mapping[str, TargetInfo], path: Path
) -> Written:
    """Write crystals as records, in float64.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    keys = {
        name: name if _is_result(info) or name not in _TAKEN else f"label_{name}"
        for name, info in targets.items()
    }
    database = atompack.Database(str(path), compression="zstd")
    stream: Iterator[Crystal] = iter(crystals)
    while batch := [_molecule(crystal, targets, keys) for crystal in islice(stream, _BATCH)]:
        database.add_molecules(batch)
    database.flush()
    return Written(labels={name: declaration(info, keys[name]) for name, info in targets.items()})


def _is_result(info: TargetInfo) -> bool:
    """Return whether the format has a field of its own for a label."""
    return _RESULTS.get(info.name) == info.unit


def _molecule(crystal: Crystal, targets: Mapping[str, TargetInfo], keys: Mapping[str, str]) -> Any:
    """Return the record of a crystal."""
    labels = {name: value for name, value in crystal.labels.items() if name in targets}
    molecule = atompack.Molecule.from_arrays(
        crystal.positions,
        crystal.atomic_numbers,
        cell=crystal.cell if crystal.cell.any() else None,
        pbc=tuple(crystal.pbc.tolist()),
        **{name: labels[name] for name in labels if _is_result(targets[name])},
    )
    molecule.set_property(_ID, crystal.id)
    for name, value in labels.items():
        if not _is_result(targets[name]):
            # One type in all records: the format refuses to mix whole numbers and others.
            array = np.asarray(value, dtype=np.float64)
            scope: Literal["atom", "molecule"] = "atom" if targets[name].per_atom else "molecule"
            number = array if array.ndim else array.item()
            molecule.set_property(keys[name], number, scope=scope)
    for name, rows in crystal.site_properties.items():
        molecule.set_property(f"{SITE_PREFIX}{name}", rows.astype(np.int64), scope="atom")
    return molecule
