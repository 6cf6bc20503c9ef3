"""The Materials Project as the Open MatSciML Toolkit stored it.

Its records hold objects of pymatgen and emmet, which neither package need be there to read: of an
object, the plain values that it was made of are taken. Labels that the toolkit would have filled
with zero are missing in its files too, and stay so.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Conversion, Item
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.records import labels_of
from matsciml_util_toolkit_lmdb.conversion import (
    record_source,
    reject_unusable,
    toolkit_conversion,
)

_INERT = ("emmet", "pymatgen")
"""Packages whose objects are in the files."""
_PROBED = 64
"""Records that tell which labels a file has."""


def read_toolkit(path: Path) -> Conversion:
    """Open an LMDB of the toolkit; its pickles are read as plain data only.

    Args:
        path: The file, or a folder with several.

    Raises:
        DataError: It is no LMDB of this dataset, or damaged.
    """
    source = record_source(path, crystal_of, inert=_INERT)
    crystals = [item for item in islice(source(0), _PROBED) if isinstance(item, Crystal)]
    labels = {label for crystal in crystals for label in crystal.labels}
    if not labels:
        raise DataError(
            f"'{path}' holds no crystals of the Materials Project; name the LMDB file of this "
            "dataset, or another --dataset."
        )
    spec = declare("release")
    targets = [info for info in spec.targets if info.name in labels]
    return toolkit_conversion(
        path, source, spec, title="Materials Project crystals", targets=targets
    )


@reject_unusable
def crystal_of(key: str, record: Any) -> Item:
    """Return a record of the toolkit as a crystal, or why it can't be one.

    Args:
        key: Its key in the file, which is its id where it has no other.
        record: What the pickle holds, objects of other packages inert.
    """
    name = _name(record.get("material_id"), key)
    structure = record["structure"].state
    sites = [site.state for site in structure["_sites"]]
    numbers = [number for number in map(_atomic_number, sites) if number is not None]
    if len(numbers) < len(sites):
        return Rejection(name, "A site holds several species, or is only partly occupied.")
    symmetry = record.get("symmetry")
    return Crystal.from_fractional(
        id=name,
        atomic_numbers=numbers,
        fractional=np.array([site["_frac_coords"] for site in sites]),
        cell=structure["_lattice"].state["_matrix"],
        # emmet's record of the symmetry is a pydantic model: its values lie in its __dict__.
        labels=labels_of(
            {**record, "symmetry": None if symmetry is None else symmetry.state["__dict__"]}
        ),
    )


def _name(material_id: Any, key: str) -> str:
    """Return the id; the toolkit left it out of most of its files."""
    if material_id is None:
        return f"toolkit-{key}"
    return material_id if isinstance(material_id, str) else str(material_id.state["string"])


def _atomic_number(site: Mapping[str, Any]) -> int | None:
    """Return the atomic number of a site; None where it is not exactly one atom."""
    amounts = site["_species"].state["_data"]
    if len(amounts) != 1 or next(iter(amounts.values())) != 1:
        return None
    return atomic_number(next(iter(amounts)).arguments[0])
