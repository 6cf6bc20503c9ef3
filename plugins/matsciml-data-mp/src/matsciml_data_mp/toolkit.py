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
from matsciml_core.data.ingestion.conversion import Conversion, Item, reason_of
from matsciml_core.data.readers.structures import atomic_number
from matsciml_core.errors import DataError, MatSciMLError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_mp.records import labels_of
from matsciml_data_mp.references import LICENCE, SOURCE
from matsciml_data_mp.release_targets import RELEASE_REFERENCES, RELEASE_TARGETS
from matsciml_util_toolkit_lmdb.conversion import legacy_conversion, read_each

_INERT = ("emmet", "pymatgen")
"""Packages whose objects are in the files."""
_PROBED = 64
"""Records that tell which labels a file has."""


def read_toolkit(path: Path) -> Conversion:
    """Understand an LMDB of the toolkit; its pickles are read as plain data only.

    Args:
        path: The file, or a folder with several.

    Raises:
        DataError: It is no LMDB of this dataset, or damaged.
    """
    source = read_each(path, crystal_of, inert=_INERT)
    items = islice(source(0), _PROBED)
    found = {label for item in items if isinstance(item, Crystal) for label in item.labels}
    if not found:
        raise DataError(
            f"'{path}' holds no crystals of the Materials Project; name the LMDB file of this "
            "dataset, or another --dataset."
        )
    return legacy_conversion(
        path,
        source,
        title="Materials Project crystals",
        targets=[info for info in RELEASE_TARGETS if info.name in found],
        provenance=Provenance(source=SOURCE, licence=LICENCE, references=RELEASE_REFERENCES),
    )


def crystal_of(key: str, record: Any) -> Item:
    """Return a record of the toolkit as a crystal, or why it can't be one.

    Args:
        key: Its key in the file, which is its id where it has no other.
        record: What the pickle holds, objects of other packages inert.
    """
    try:
        name = _name(record.get("material_id"), key)
        structure = record["structure"].state
        found = [_number(site.state) for site in structure["_sites"]]
        numbers = [number for number in found if number is not None]
        if len(numbers) < len(found):
            return Rejection(name, "A site holds several species, or is only partly occupied.")
        return Crystal.from_fractional(
            id=name,
            atomic_numbers=numbers,
            fractional=np.array([site.state["_frac_coords"] for site in structure["_sites"]]),
            cell=structure["_lattice"].state["_matrix"],
            labels=labels_of({**record, "symmetry": _symmetry(record.get("symmetry"))}),
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return Rejection(key, "The record is incomplete.")
    except MatSciMLError as error:
        return Rejection(key, reason_of(error))


def _name(material_id: Any, key: str) -> str:
    """Return the id; the toolkit left it out of most of its files."""
    if material_id is None:
        return f"toolkit-{key}"
    return material_id if isinstance(material_id, str) else str(material_id.state["string"])


def _number(site: Mapping[str, Any]) -> int | None:
    """Return the atomic number of a site; None where it is not exactly one atom."""
    amounts = site["_species"].state["_data"]
    if len(amounts) != 1 or next(iter(amounts.values())) != 1:
        return None
    return atomic_number(next(iter(amounts)).arguments[0])


def _symmetry(symmetry: Any) -> Mapping[str, Any] | None:
    return None if symmetry is None else symmetry.state["__dict__"]
