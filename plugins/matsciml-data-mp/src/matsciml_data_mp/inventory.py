"""How much of the Materials Project is on this machine. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from matsciml_core import Inventory
from matsciml_core.guarded import read_json

SIZES_NAME = "label_sizes.json"
"""Name of the file with the labelled crystals in each part of the default split, by label."""
SIZES_FILE = Path(__file__).parent / SIZES_NAME
"""That of ``mini``."""


def take_inventory() -> Inventory:
    """Return what is installed with the plugin, and what more the release has that came last."""
    from matsciml_data_mp.stores import fetched_releases  # noqa: PLC0415 - slow to import

    sizes, where = _sizes(SIZES_FILE), "the plugin itself (mini)"
    for name, store in reversed(fetched_releases().items()):
        if (store / SIZES_NAME).is_file():
            where += f"; what mini lacks, in dataset.release={name}"
            sizes = {**_sizes(store / SIZES_NAME), **sizes}
            break
    return Inventory(where=where, sizes=sizes)


def _sizes(file: Path) -> dict[str, tuple[int, int, int]]:
    by_label = read_json(file)
    return {label: (sizes[0], sizes[1], sizes[2]) for label, sizes in by_label.items()}
