"""The symmetry finder as an oracle: what a program that knows group theory says."""

from __future__ import annotations

import warnings

import numpy as np
import spglib
import torch
from torch import Tensor

from matsciml_core import CrystalBatch

SPACE_GROUPS = 230
"""A label of this many classes is taken for the space group: class k is number k + 1."""


def space_group_classes(batch: CrystalBatch, symprec: float) -> Tensor:
    """Return the class of each crystal's space group, as spglib finds it.

    Args:
        batch: The crystals.
        symprec: Tolerance on positions, Å.

    Returns:
        ``(crystals,)`` int64, 0 to 229; −1 where spglib finds none.
    """
    classes = []
    for crystal in batch.without_edges().crystals():
        dataset = _dataset((crystal.cell, crystal.fractional, crystal.atomic_numbers), symprec)
        classes.append(-1 if dataset is None else int(dataset.number) - 1)
    return torch.tensor(classes, device=batch.cell.device)


def _dataset(cell: tuple[np.ndarray, ...], symprec: float) -> spglib.SpglibDataset | None:
    try:
        with warnings.catch_warnings():
            # It announces that it will raise rather than return None; both are understood here.
            warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
            return spglib.get_symmetry_dataset(cell, symprec=symprec)  # type: ignore[arg-type]
    except spglib.SpglibError:  # with its newer error handling it raises rather than return None
        return None
