"""Files of a store: how they are called, what the index says of them, how they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb


def shard_name(index: int) -> str:
    """Return the name of the file of a shard."""
    return f"{index:05d}.lmdb"


def shard_entry(folder: Path, index: int, count: int) -> dict[str, Any]:
    """Return what the index of a store says of a shard.

    Args:
        folder: The store's folder.
        index: Which shard it is, from 0.
        count: Number of its crystals.
    """
    name = shard_name(index)
    return {"file": name, "count": count, "bytes": (folder / name).stat().st_size}


def put_all(environment: lmdb.Environment, items: Sequence[tuple[bytes, bytes]]) -> None:
    """Write items in one transaction, doubling the map until they fit.

    Args:
        environment: A shard that is open for writing.
        items: Keys and values.
    """
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in items:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:  # LMDB needs to be told a largest size, and never shrinks a file
            environment.set_mapsize(2 * environment.info()["map_size"])
