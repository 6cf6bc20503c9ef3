"""How much of OC20 is on this machine. Imports neither torch nor NumPy."""

from __future__ import annotations

from pathlib import Path

from matsciml_core import DatasetSpec, Inventory
from matsciml_core.guarded import read_json
from matsciml_data_ocp.declaration import IS2RE, S2EF

_SIZES = "split-sizes.json"
"""In a store: systems for training, validation and test of the default split."""


def s2ef() -> Inventory | None:
    """Return which frames are here; None: none."""
    return _take(S2EF)


def is2re() -> Inventory | None:
    """Return which relaxations are here; None: none."""
    return _take(IS2RE)


def note_sizes(store: Path, sizes: tuple[int, int, int]) -> None:
    """Write the sizes of the default split, which would take all ids to tell.

    Args:
        store: The store's folder.
        sizes: Records for training, validation and test.
    """
    from matsciml_core.files import write_json  # noqa: PLC0415 - slow to import

    write_json(store / _SIZES, sizes)


def _take(spec: DatasetSpec) -> Inventory | None:
    from matsciml_core.data.fetch import latest_store  # noqa: PLC0415 - slow to import

    store = latest_store(spec.name)
    if store is None:
        return None
    train, validation, test = read_json(store / _SIZES)
    labels = [info.name for info in spec.targets]  # every record has all of them
    return Inventory(where=str(store), sizes=dict.fromkeys(labels, (train, validation, test)))
