"""ASE Atoms as plain data that lose nothing: all arrays, the cell, and what is held."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import dict2constraint

from matsciml_util_potential.held import KEPT


def store_atoms(atoms: Any) -> dict[str, Any]:
    """Return atoms as JSON can hold them.

    Args:
        atoms: ASE Atoms whose constraints a state can keep.
    """
    return {
        # JSON writes the shortest digits that give the same double when read.
        "arrays": {
            name: {"type": rows.dtype.str, "values": rows.tolist()}
            for name, rows in atoms.arrays.items()
        },
        "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
        "constraints": [_plain(constraint.todict()) for constraint in atoms.constraints],
    }


def restore_atoms(data: dict[str, Any]) -> Any:
    """Return the atoms that were stored.

    Args:
        data: What :func:`store_atoms` has returned.

    Raises:
        ValueError: The data are something else.
        KeyError: Something is missing.
    """
    arrays = {
        name: np.array(rows["values"], dtype=np.dtype(str(rows["type"])))
        for name, rows in data["arrays"].items()
    }
    atoms = Atoms(numbers=arrays.pop("numbers"), positions=arrays.pop("positions"), pbc=data["pbc"])
    atoms.cell[:] = data["cell"]
    for name, rows in arrays.items():
        atoms.set_array(name, rows)
    constraints = []
    for entry in data["constraints"]:
        if entry["name"] not in KEPT:  # a file names no other class
            raise ValueError(f"unknown constraint {entry['name']!r}")
        constraint: Any = dict2constraint(entry)
        if "direction" in entry["kwargs"]:
            # To normalise what is normalised changes its last digit.
            constraint.dir = np.array(entry["kwargs"]["direction"])
        constraints.append(constraint)
    atoms.set_constraint(constraints)
    return atoms


def _plain(value: Any) -> Any:
    """Replace arrays by lists, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
