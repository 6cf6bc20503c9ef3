"""The rows of the published benchmark that ``mp`` serves, and what of them is here. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from matsciml_core import BenchmarkTask, Inventory

SIZES_NAME = "label_sizes.json"
"""Name of the file with the labelled crystals in each part of the default split, by label."""
SIZES_FILE = Path(__file__).parent / SIZES_NAME
"""That of ``mini``."""

_PUBLISHED = (108_159, 30_904, 15_456)


def _task(row: int, title: str, target: str, metric: str, unit: str) -> BenchmarkTask:
    return BenchmarkTask(
        title=f"{title} (Materials Project)",
        target=target,
        metric=metric,
        unit=unit,
        published_sizes=_PUBLISHED,
        row=row,
    )


TASKS: tuple[BenchmarkTask, ...] = (
    _task(3, "formation energy", "formation_energy_per_atom", "MSE", "(eV/atom)²"),
    _task(10, "band gap", "band_gap", "MSE", "eV²"),
    _task(11, "Fermi energy", "fermi_energy", "MSE", "eV²"),
    _task(12, "stability", "is_stable", "accuracy", ""),
    _task(13, "space group", "space_group", "accuracy", ""),
)


def take_inventory() -> Inventory:
    """Say what is installed with the plugin, and what more the release has that came last."""
    from matsciml_data_mp.stores import fetched_releases  # noqa: PLC0415 - slow to import

    sizes, where = _sizes(SIZES_FILE), "the plugin itself (mini)"
    fetched = [(name, store / SIZES_NAME) for name, store in fetched_releases().items()]
    for name, file in reversed(fetched):
        if file.is_file():
            where += f"; what mini lacks, in dataset.release={name}"
            sizes = {**_sizes(file), **sizes}
            break
    return Inventory(where=where, sizes=sizes)


def _sizes(file: Path) -> dict[str, tuple[int, int, int]]:
    listed = json.loads(file.read_text(encoding="utf-8"))
    return {label: (sizes[0], sizes[1], sizes[2]) for label, sizes in listed.items()}
