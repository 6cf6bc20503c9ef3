"""Which crystals have a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.head import label_mask
from matsciml_core.interfaces.split import SUBSETS
from matsciml_core.interfaces.structure import read_crystals

_CHUNK = 4096


def labelled(dataset: Dataset, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return, for each crystal, whether it has at least one of the labels, ``(crystals,)``.

    Args:
        dataset: The crystals.
        labels: Names of labels; of one with a value per atom, a single atom's counts.
    """
    found = [np.zeros(0, dtype=bool)]
    for block in _blocks(len(dataset)):
        batch = read_crystals(dataset, block, list(labels))
        present = np.zeros(batch.num_crystals, dtype=bool)
        for label in labels:
            info = batch.target_info[label]
            mask = label_mask(batch.targets[label], info)
            if info.per_atom:
                atoms = batch.crystal_index[mask.reshape(len(mask), -1).any(1)]
                present[np.unique(atoms.numpy())] = True
            else:
                present |= mask.reshape(batch.num_crystals, -1).any(1).numpy()
        found.append(present)
    return np.concatenate(found)


def label_sizes(dataset: Dataset) -> dict[str, list[int]]:
    """Return how many crystals of each part of the default split have each label.

    Args:
        dataset: The crystals.

    Returns:
        Numbers for training, validation and test by label; labels that no crystal has are absent.
    """
    subsets = dataset.split().indices(dataset.ids)
    present = {name: labelled(dataset, [name]) for name in dataset.targets}
    return {
        name: [int(mask[subsets[subset]].sum()) if subset in subsets else 0 for subset in SUBSETS]
        for name, mask in present.items()
        if mask.any()
    }


def _blocks(count: int) -> Iterator[range]:
    for first in range(0, count, _CHUNK):
        yield range(first, min(first + _CHUNK, count))
