"""NOMAD as the Open MatSciML Toolkit stored it: parts of the archive, in SI units.

The toolkit's own label, ``relative_energy``, is made anew from total energies, since the one in
the file refers to crystals that need not be in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Conversion, Item
from matsciml_data_nomad.archive import Calculation, read_results
from matsciml_data_nomad.crystals import crystals, fit
from matsciml_data_nomad.declaration import SPEC
from matsciml_util_toolkit_lmdb.conversion import padded_key, record_source, toolkit_conversion


def read_toolkit(path: Path) -> Conversion:
    """Open an LMDB of the toolkit, or a folder of them; its pickles are read as plain data only.

    Args:
        path: The file or folder.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    records = record_source(path, read_record)
    references = cache(lambda: fit(records))  # a finished store needs none

    def source(start: int) -> Iterable[Item]:
        return crystals(records, references())(start)

    return toolkit_conversion(path, source, SPEC, title="NOMAD crystals")


def read_record(key: str, record: Any) -> Calculation | Rejection:
    """Return a record of the toolkit, which has no id of its own, or why it can't be used.

    Args:
        key: Its key in the file, which its id is made of.
        record: What the pickle holds, in SI units.
    """
    name = f"nomad-toolkit-{padded_key(key)}"
    try:
        energy = record["energies"]["total"]["value"]
    except (KeyError, TypeError):
        energy = None
    if not isinstance(record, dict):
        return Rejection(name, "The record is incomplete.")
    return read_results(name, record, energy, record)
