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
from matsciml_data_nomad.labels import TARGETS
from matsciml_data_nomad.provenance import PROVENANCE
from matsciml_util_toolkit_lmdb.conversion import legacy_conversion, padded_key, read_each


def read_toolkit(path: Path) -> Conversion:
    """Understand an LMDB of the toolkit, or a folder of them.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    records = read_each(path, read_record)
    references = cache(lambda: fit(records))  # when it is needed: a finished store needs none

    def source(start: int) -> Iterable[Item]:
        return crystals(records, references())(start)

    return legacy_conversion(
        path, source, title="NOMAD crystals", targets=TARGETS, provenance=PROVENANCE
    )


def read_record(key: str, record: Any) -> Calculation | Rejection:
    """Return a record of the toolkit, which has no id of its own, or why it can't be used."""
    name = f"nomad-toolkit-{padded_key(key)}"
    try:
        energy = record["energies"]["total"]["value"]
    except (KeyError, TypeError):
        energy = None
    if not isinstance(record, dict):
        return Rejection(name, "The record is incomplete.")
    return read_results(name, record, energy, record)
