"""Carolina as the Open MatSciML Toolkit stored it, with its known faults mended.

The toolkit kept the fractional coordinates of the CIF files under the name ``cart_coords`` and
made no cell of the lattice parameters, which it kept as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Conversion, Item
from matsciml_data_carolina.cif import make_crystal
from matsciml_data_carolina.labels import TARGETS
from matsciml_data_carolina.provenance import PROVENANCE
from matsciml_util_toolkit_lmdb.conversion import legacy_conversion, read_each


def read_toolkit(path: Path) -> Conversion:
    """Understand an LMDB of the toolkit, or a folder of them.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    source = read_each(path, crystal_of)
    return legacy_conversion(
        path, source, title="Carolina crystals", targets=TARGETS, provenance=PROVENANCE
    )


def crystal_of(key: str, record: Any) -> Item:
    """Return a record of the toolkit as a crystal, or why it can't be one."""
    try:
        name = f"carolina-{int(str(record['origin_file']).removesuffix('.cif'))}"
        fractional = np.array(record["cart_coords"], dtype=np.float64)
        numbers = [int(number) for number in record["atomic_numbers"]]
        energy = None if record.get("energy") is None else float(record["energy"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return Rejection(key, "The record is incomplete.")
    if (np.abs(fractional) > 1.0).any():
        return Rejection(name, "The coordinates are not the fractions that they should be.")
    return make_crystal(name, record, numbers, fractional, energy)
