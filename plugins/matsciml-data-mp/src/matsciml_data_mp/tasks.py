"""The rows of the published benchmark that ``mp`` serves, and what of them is here. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from matsciml_core import BenchmarkTask, Inventory

SIZES_FILE = Path(__file__).parent / "label_sizes.json"
"""Labelled crystals of ``mini`` in each part of the default split, by label."""

_PUBLISHED = (108_159, 30_904, 15_456)


def _task(title: str, target: str, metric: str, unit: str) -> BenchmarkTask:
    return BenchmarkTask(
        title=f"{title} (Materials Project)",
        target=target,
        metric=metric,
        unit=unit,
        published_sizes=_PUBLISHED,
    )


TASKS: tuple[BenchmarkTask, ...] = (
    _task("formation energy", "formation_energy_per_atom", "MSE", "(eV/atom)²"),
    _task("band gap", "band_gap", "MSE", "eV²"),
    _task("Fermi energy", "fermi_energy", "MSE", "eV²"),
    _task("stability", "is_stable", "accuracy", ""),
    _task("space group", "space_group", "accuracy", ""),
)


def take_inventory() -> Inventory:
    """Say what is installed with the plugin."""
    listed = json.loads(SIZES_FILE.read_text(encoding="utf-8"))
    sizes = {label: (parts[0], parts[1], parts[2]) for label, parts in listed.items()}
    return Inventory(where="the plugin itself (source mini)", sizes=sizes)
