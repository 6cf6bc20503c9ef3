"""Datasets as Parquet with OPTIMADE's columns, as LeMat-Bulk and Alexandria are published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from matsciml_core.data.readers import Written
from matsciml_core.data.readers.labels import declaration
from matsciml_core.files import replacing
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.registry.targets import TargetInfo
from matsciml_reader_tables.parquet import SITE_PREFIX, UNITS

_ROWS = 1024
"""Crystals in a row group, which are in memory at once."""
_NUMBERS = pyarrow.list_(pyarrow.list_(pyarrow.float64()))
_STRUCTURE = {
    "immutable_id": pyarrow.string(),
    "lattice_vectors": _NUMBERS,
    "cartesian_site_positions": _NUMBERS,
    "species_at_sites": pyarrow.list_(pyarrow.string()),
    "species": pyarrow.string(),
    "dimension_types": pyarrow.list_(pyarrow.int64()),
    "nsites": pyarrow.int64(),
}
_MARKS = ("fixed", "held_axes", "tags")


def write_crystals(
    crystals: Iterable[Crystal], targets: Mapping[str, TargetInfo], path: Path
) -> Written:
    """Write crystals as rows, a column per label.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    # The sets that are published define units of some columns, which a label may not have.
    taken = {*_STRUCTURE, *UNITS, "functional", "structure_features", "material_id", "id"}
    columns = {
        name: name if name not in taken or _as_published(info) else f"label_{name}"
        for name, info in targets.items()
    }
    schema = pyarrow.schema(
        [
            *_STRUCTURE.items(),
            *((f"{SITE_PREFIX}{mark}", pyarrow.list_(pyarrow.uint8())) for mark in _MARKS),
            *((columns[name], _type_of(info)) for name, info in targets.items()),
        ]
    )
    stream: Iterator[Crystal] = iter(crystals)
    with (
        replacing(path) as part,
        pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as writer,
    ):
        while rows := [_row(crystal, columns) for crystal in islice(stream, _ROWS)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return Written(
        labels={name: declaration(info, columns[name]) for name, info in targets.items()}
    )


def _as_published(info: TargetInfo) -> bool:
    """Return whether a label has the unit that the column of its name has by definition."""
    return (info.name, info.unit) in {("energy", "eV"), ("forces", "eV/Å")}


def _type_of(info: TargetInfo) -> Any:
    """Return the type of a label's column: numbers in as many lists as it has axes."""
    kind = pyarrow.int64() if info.is_class else pyarrow.float64()
    for _ in range(len(info.shape) + info.per_atom):
        kind = pyarrow.list_(kind)
    return kind


def _row(crystal: Crystal, columns: Mapping[str, str]) -> dict[str, Any]:
    symbols = [symbol(number) for number in crystal.atomic_numbers.tolist()]
    species = [
        {"name": name, "chemical_symbols": [name], "concentration": [1.0]}
        for name in dict.fromkeys(symbols)
    ]
    return {
        "immutable_id": crystal.id,
        "lattice_vectors": crystal.cell.tolist(),
        "cartesian_site_positions": crystal.positions.tolist(),
        "species_at_sites": symbols,
        "species": json.dumps(species),
        "dimension_types": crystal.pbc.astype(int).tolist(),
        "nsites": crystal.num_atoms,
        **{f"{SITE_PREFIX}{key}": rows.tolist() for key, rows in crystal.site_properties.items()},
        **{columns[key]: np.asarray(value).tolist() for key, value in crystal.labels.items()},
    }
