"""OQMD as the Open MatSciML Toolkit stored it, with its known fault corrected.

The toolkit took the fractional coordinates of OQMD's REST interface for Cartesian ones; the key
``cart_coords`` holds fractions. The interface rounds them to three digits, so atoms are off by up
to 0.05 Å, which nothing can correct: fetch the data anew for exact positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Conversion, Item
from matsciml_data_oqmd.declaration import SPEC
from matsciml_data_oqmd.fetch import OUTLIER, labels_of
from matsciml_util_toolkit_lmdb.conversion import (
    record_source,
    reject_unusable,
    toolkit_conversion,
)


def read_toolkit(path: Path) -> Conversion:
    """Open an LMDB of the toolkit; its pickles are read as plain data only.

    Args:
        path: The file, or a folder with several.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    source = record_source(path, crystal_of)
    return toolkit_conversion(
        path, source, SPEC, title="OQMD crystals", release="positions to 0.05 Å"
    )


@reject_unusable
def crystal_of(key: str, record: Any) -> Item:
    """Return a record of the toolkit as a crystal, or why it can't be one.

    Args:
        key: Its key in the file, which names it where it cannot be used.
        record: What the pickle holds.
    """
    name = f"oqmd-{record['entry_id']}"
    energy, fractional = record.get("delta_e"), np.array(record["cart_coords"])
    if energy is not None and abs(energy) > OUTLIER:
        return Rejection(name, f"The formation energy is beyond {OUTLIER:g} eV/atom.")
    # Cartesian coordinates would leave the unit cube; fractions, rounded, at most touch its faces.
    if (np.abs(fractional) > 1.0).any():
        return Rejection(name, "The coordinates are not the fractions that they should be.")
    return Crystal.from_fractional(
        id=name,
        atomic_numbers=record["atomic_numbers"],
        fractional=fractional,
        cell=record["cell"],
        labels=labels_of(energy, record.get("stability"), record.get("band_gap")),
    )
