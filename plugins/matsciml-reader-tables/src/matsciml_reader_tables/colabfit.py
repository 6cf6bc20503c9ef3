"""Rows of ColabFit's tables: one structure each, with what was calculated of it.

The columns are those of https://materials.colabfit.org/docs/configuration_schema (2026). Energies
belong to the forces, in eV; ``property_id`` names a row, and ``configuration_id`` a structure that
others may repeat. A stress is in eV/Å³ where ``cauchy_stress_volume_normalized`` says so. Otherwise
it still has to be divided by a volume, or the set does not know: it gets a name of its own here,
so that both are never one label. Its sign is that of whoever gave the set, and is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame
from matsciml_core.guarded import parse_json

COLUMNS = ("cell", "positions", "atomic_numbers", "pbc")
METHOD = "method"
UNITS = {
    "energy": "eV",
    "atomic_forces": "eV/A",
    "formation_energy": "eV",
    "atomization_energy": "eV",
    "adsorption_energy": "eV",
    "electronic_band_gap": "eV",
}
_TABLES = (*COLUMNS, "atomic_forces", "cauchy_stress")
_STRESS, _NORMALIZED = "cauchy_stress", "cauchy_stress_volume_normalized"


def name_of_row(row: Mapping[str, Any], otherwise: str) -> str:
    """Return what a row is called.

    Args:
        row: The row.
        otherwise: Its name where it has none.
    """
    return str(row.get("property_id") or row.get("configuration_id") or otherwise)


def frame_from_colabfit(row: Mapping[str, Any], name: str) -> Frame | Rejection:
    """Return the record of a row.

    Args:
        row: Its values by column; tables of numbers may be text in JSON.
        name: What the record is called.
    """
    try:
        tables = {
            key: np.array(parse_json(value) if isinstance(value, str) else value)
            for key in _TABLES
            if (value := row.get(key)) is not None
        }
        values = {key: tables.get(key, row[key]) for key in row if key not in COLUMNS}
        if values.get(_STRESS) is not None and not row.get(_NORMALIZED):
            values[f"{_STRESS}_not_normalized"] = values.pop(_STRESS)
        return Frame(
            name=name,
            atomic_numbers=tables["atomic_numbers"].astype(np.int64),
            positions=tables["positions"].astype(np.float64).reshape(-1, 3),
            cell=tables["cell"].astype(np.float64).reshape(3, 3),
            pbc=tables["pbc"].astype(bool),
            values=values,
            units=UNITS,
        )
    except (KeyError, TypeError, ValueError):
        return Rejection(name, "The structure is incomplete.")
