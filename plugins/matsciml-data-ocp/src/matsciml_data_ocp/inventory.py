"""What of OC20 is on this machine. Imports neither torch nor NumPy."""

from __future__ import annotations

import json
import os
from pathlib import Path

from matsciml_core import Inventory
from matsciml_core.registry.folders import dataset_folder
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
    part = store / f"{_SIZES}.part"
    part.write_text(json.dumps(sizes), encoding="utf-8")
    os.replace(part, store / _SIZES)


def known_stores(dataset: str) -> list[Path]:
    """Return the stores that were fetched and are still there, the last one first."""
    folder = dataset_folder(dataset)
    try:
        listed = json.loads((folder / "fetched.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    stores = [(folder / path).resolve() for path in listed.values()]
    return [store for store in reversed(stores) if (store / "index.json").is_file()]


def _take(dataset: str, labels: list[str]) -> Inventory | None:
    stores = known_stores(dataset)
    if not stores:
        return None
    train, validation, test = json.loads((stores[0] / _SIZES).read_text(encoding="utf-8"))
    return Inventory(where=str(stores[0]), sizes=dict.fromkeys(labels, (train, validation, test)))
