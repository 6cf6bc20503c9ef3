"""Carolina as the Open MatSciML Toolkit stored it, with its known faults corrected.

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
from matsciml_data_carolina.declaration import SPEC
from matsciml_util_toolkit_lmdb.conversion import (
    record_source,
    reject_unusable,
    toolkit_conversion,
)


def read_toolkit(path: Path) -> Conversion:
    """Open an LMDB of the toolkit, or a folder of them; its pickles are read as plain data only.

    Args:
        path: The file or folder.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    return toolkit_conversion(
        path, record_source(path, crystal_of), SPEC, title="Carolina crystals"
    )


@reject_unusable
def crystal_of(key: str, record: Any) -> Item:
    """Return a record of the toolkit as a crystal, or why it can't be one.

    Args:
        key: Its key in the file, which names it where it cannot be used.
        record: What the pickle holds: the values of the CIF file as text.
    """
    # The number of the CIF file is the id; the toolkit's own counter is another one.
    name = f"carolina-{int(str(record['origin_file']).removesuffix('.cif'))}"
    fractional = np.array(record["cart_coords"], dtype=np.float64)
    numbers = [int(number) for number in record["atomic_numbers"]]
    energy = None if record.get("energy") is None else float(record["energy"])
    # Cartesian coordinates would leave the unit cube; fractions, rounded, at most touch its faces.
    if (np.abs(fractional) > 1.0).any():
        return Rejection(name, "The coordinates are not the fractions that they should be.")
    return make_crystal(name, record, numbers, fractional, energy)
