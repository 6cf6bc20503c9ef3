"""What of OC20 is on this machine. Imports neither torch nor NumPy."""

from __future__ import annotations

import json
from pathlib import Path

from matsciml_core import Inventory
from matsciml_data_ocp.labels import IS2RE_TARGETS, S2EF_TARGETS

_SIZES = "split-sizes.json"
"""In a store: systems for training, validation and test of the default split."""


def s2ef() -> Inventory | None:
    """Say which frames are here; None: none."""
    return _take("s2ef", [info.name for info in S2EF_TARGETS])


def is2re() -> Inventory | None:
    """Say which relaxations are here; None: none."""
    return _take("is2re", [info.name for info in IS2RE_TARGETS])


def note_sizes(store: Path, sizes: tuple[int, int, int]) -> None:
    """Write down what a split would say only after all ids were read."""
    from matsciml_core.data.fetch import write_json  # noqa: PLC0415 - slow to import

    write_json(store / _SIZES, sizes)


def _take(dataset: str, labels: list[str]) -> Inventory | None:
    from matsciml_core.data.fetch import latest_store  # noqa: PLC0415 - slow to import

    store = latest_store(dataset)
    if store is None:
        return None
    train, validation, test = json.loads((store / _SIZES).read_text(encoding="utf-8"))
    return Inventory(where=str(store), sizes=dict.fromkeys(labels, (train, validation, test)))
