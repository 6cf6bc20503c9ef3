"""How much of LiPS is on this machine. Imports no torch."""

from __future__ import annotations

from itertools import pairwise

from matsciml_core import Inventory
from matsciml_core.guarded import read_json
from matsciml_data_lips.declaration import SPEC

FRACTIONS = (0.7, 0.2, 0.1)
"""Share of training, validation and test, as published."""


def split_sizes(count: int) -> tuple[int, int, int]:
    """Return how many frames train, validate and test, 70/20/10.

    Args:
        count: Frames in all.
    """
    # As the core cuts: at rounded sums of shares, so that the sizes always add up.
    shares = (0.0, FRACTIONS[0], FRACTIONS[0] + FRACTIONS[1], 1.0)
    train, validation, test = (
        round(high * count) - round(low * count) for low, high in pairwise(shares)
    )
    return train, validation, test


def take_inventory() -> Inventory | None:
    """Return which frames are here; None: none."""
    from matsciml_core.data.fetch import latest_store  # noqa: PLC0415 - slow to import

    store = latest_store(SPEC.name)
    if store is None:
        return None
    index = read_json(store / "index.json")
    sizes = split_sizes(int(index["meta"]["count"]))  # every frame has both labels
    return Inventory(where=str(store), sizes={info.name: sizes for info in SPEC.targets})
