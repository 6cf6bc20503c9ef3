"""How many crystals of a release carry a label, counted once and kept beside its store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.files import write_json
from matsciml_core.interfaces.head import label_mask
from matsciml_data_mp.inventory import SIZES_NAME
from matsciml_data_mp.splits import paper_sizes_split


def write_label_sizes(store: Path) -> None:
    """Write the labelled crystals in each part of the default split, by label.

    Args:
        store: Folder of a finished store; where the file is there already, nothing is read.
    """
    file = store / SIZES_NAME
    if file.exists():
        return
    crystals = CrystalStore(store)
    ids: list[str] = []
    groups: list[int] = []
    masks: dict[str, list[NDArray[np.bool_]]] = {label: [] for label in crystals.targets}
    for batch in crystals.scan():  # once for all labels: a release has 150,000 crystals
        ids += batch.ids
        groups += batch.targets["space_group"].tolist()
        for label, info in crystals.targets.items():
            masks[label].append(label_mask(batch.targets[label], info).numpy())
    subsets = paper_sizes_split(ids, groups).indices(ids)
    sizes = {
        label: [int(np.concatenate(pieces)[indices].sum()) for indices in subsets.values()]
        for label, pieces in masks.items()
    }
    write_json(file, {label: counts for label, counts in sizes.items() if any(counts)})
