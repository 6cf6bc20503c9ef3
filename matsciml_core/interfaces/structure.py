"""The label ``structure``: the crystal itself, which every dataset offers to generative heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.registry.targets import TargetInfo

STRUCTURE = TargetInfo(
    name="structure",
    kind="structure",
    unit="dimensionless",
    description="The crystal itself: cell, species and positions, for heads that generate.",
)
"""Offered by every dataset, unless it has a label of its own by that name. No crystal lacks it, and
its value in a batch, ``(crystals,)``, is 1: what a head learns is read off the crystals."""


def targets_of(dataset: Dataset) -> dict[str, TargetInfo]:
    """Return the labels that can be trained on a dataset, those that it declares first."""
    return {**dataset.targets, STRUCTURE.name: dataset.targets.get(STRUCTURE.name, STRUCTURE)}


def read_crystals(dataset: Dataset, indices: Sequence[int], labels: Sequence[str]) -> CrystalBatch:
    """Return crystals of a dataset, with the label ``structure`` where it is wanted.

    Args:
        dataset: Where they come from.
        indices: Of crystals.
        labels: Names of the labels that are wanted.

    Returns:
        A float64 batch without edges, with all labels that the dataset gives.
    """
    batch = dataset.__getitems__(indices)
    if STRUCTURE.name not in labels or STRUCTURE.name in batch.targets:
        return batch
    there = torch.ones(batch.num_crystals, dtype=torch.float64)
    return replace(
        batch,
        targets={**batch.targets, STRUCTURE.name: there},
        target_info={**batch.target_info, STRUCTURE.name: STRUCTURE},
    )
