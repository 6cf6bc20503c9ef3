"""Parquet that pyarrow writes, with what it holds, for ``matsciml check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from matsciml_core.interfaces.elements import symbol
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import sodium_chloride, triclinic

_CRYSTALS = (sodium_chloride(), triclinic())


def parquet_samples(folder: Path) -> list[Sample]:
    """Write a table with the columns of LeMat-Bulk."""
    path = folder / "mine.parquet"
    _write(path, len(_CRYSTALS))
    frames = [
        frame_of(
            crystal,
            {"energy": -1.5 - index, "stress_tensor": np.diag([1.0, 2.0, 3.0])},
            name=f"agm-{index}",
        )
        for index, crystal in enumerate(_CRYSTALS)
    ]
    return [Sample(path=path, frames=frames, write_many=_write)]


def _write(path: Path, count: int) -> None:
    rows = [_row(index) for index in range(count)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=1000)


def _row(index: int) -> dict[str, Any]:
    crystal = _CRYSTALS[index % len(_CRYSTALS)]
    symbols = [symbol(number) for number in crystal.atomic_numbers.tolist()]
    species = [
        {"name": kind, "chemical_symbols": [kind], "concentration": [1.0]}
        for kind in sorted(set(symbols))
    ]
    return {
        "immutable_id": f"agm-{index}",
        "lattice_vectors": crystal.cell.tolist(),
        "cartesian_site_positions": crystal.positions.tolist(),
        "species_at_sites": symbols,
        "species": json.dumps(species),
        "energy": -1.5 - index,
        "stress_tensor": np.diag([1.0, 2.0, 3.0]).tolist(),
        "functional": "pbe",
    }


def write_colabfit(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table with the columns of ColabFit.

    Args:
        path: The file.
        rows: What differs in each from rock salt that was calculated with PBE.
    """
    crystal = sodium_chloride()
    usual = {
        "configuration_id": "CO_1",
        "method": "DFT-PBE",
        "energy": -6.5,
        "atomic_forces": [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]],
        "cauchy_stress": np.diag([0.01, 0.02, 0.03]).tolist(),
        "cauchy_stress_volume_normalized": True,
        "cell": crystal.cell.tolist(),
        "positions": crystal.positions.tolist(),
        "pbc": [True, True, True],
        "atomic_numbers": crystal.atomic_numbers.tolist(),
    }
    table = [{"property_id": f"PO_{index}", **usual, **row} for index, row in enumerate(rows)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), path)
