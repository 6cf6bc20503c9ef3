"""What of LiPS is on this machine. Imports no torch."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from matsciml_core import Inventory
from matsciml_core.registry.folders import dataset_folder
from matsciml_data_lips.labels import FRACTIONS, TARGETS

NAME = "lips"


def known_stores() -> list[Path]:
    """Return the stores that were fetched or converted, the last one first."""
    folder = dataset_folder(NAME)
    try:
        listed = json.loads((folder / "fetched.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    stores = [(folder / path).resolve() for path in listed.values()]
    return [store for store in reversed(stores) if (store / "index.json").is_file()]


def split_sizes(count: int) -> tuple[int, int, int]:
    """Return how many of ``count`` frames train, validate and test, 70/20/10."""
    shares = (0.0, FRACTIONS[0], FRACTIONS[0] + FRACTIONS[1], 1.0)
    train, validation, test = (
        round(high * count) - round(low * count) for low, high in pairwise(shares)
    )
    return train, validation, test


def take_inventory() -> Inventory | None:
    """Say which frames are here; None: none."""
    stores = known_stores()
    if not stores:
        return None
    index = json.loads((stores[0] / "index.json").read_text(encoding="utf-8"))
    sizes = split_sizes(int(index["meta"]["count"]))
    return Inventory(where=str(stores[0]), sizes={info.name: sizes for info in TARGETS})
