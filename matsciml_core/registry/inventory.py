"""What of a fetched dataset is on this machine, without opening it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matsciml_core.guarded import read_json
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.specs import DatasetSpec, Inventory

LABEL_SIZES = "label-sizes.json"
"""In a fetched store: labelled crystals in each part of the default split, by label."""


def inventory_of(spec: DatasetSpec) -> Inventory | None:
    """Return what of a dataset is on this machine; None: nothing, or that is not known.

    A dataset that takes its own inventory is asked; of another that can be fetched, what
    ``matsciml data fetch`` noted is read.

    Raises:
        PluginLoadError: The dataset's own function cannot be imported.
        OSError: A file that was noted cannot be read.
        ValueError: It is no JSON.
        KeyError: It lacks something.
    """
    if spec.inventory is not None or spec.fetch is None:
        return spec.take_inventory()
    folder = dataset_folder(spec.name)
    try:
        listed = _mapping(folder / "fetched.json")
    except FileNotFoundError:
        return None
    stores = [(folder / str(path)).resolve() for path in listed.values()]
    # The latest fetch counts; one that was stopped early, or deleted since, has no such file.
    labelled = [store for store in reversed(stores) if (store / LABEL_SIZES).is_file()]
    if not labelled:
        return None
    sizes = _mapping(labelled[0] / LABEL_SIZES)
    by_label = {label: _three(row) for label, row in sizes.items()}
    return Inventory(where=str(labelled[0]), sizes=by_label)


def _mapping(path: Path) -> dict[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise ValueError(f"'{path}' is no JSON object")
    return data


def _three(row: Any) -> tuple[int, int, int]:
    if not isinstance(row, list) or len(row) != 3 or not all(isinstance(one, int) for one in row):
        raise ValueError(f"'{LABEL_SIZES}' does not hold three numbers for each label")
    return row[0], row[1], row[2]
