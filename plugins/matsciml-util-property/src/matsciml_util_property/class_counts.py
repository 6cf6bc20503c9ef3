"""How often each class occurs among the training labels, and weights made from it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from matsciml_core import CrystalBatch, TargetInfo, label_mask
from matsciml_core.errors import DataError

_PSEUDO_COUNT = 0.5
"""Added to each class's count before logarithms, so that classes never seen stay possible."""


def count_classes(training: Iterable[CrystalBatch], info: TargetInfo, classes: int) -> Tensor:
    """Count the training labels of each class.

    Args:
        training: The training split.
        info: The label.
        classes: Number of classes.

    Returns:
        ``(classes,)`` float64, dimensionless.

    Raises:
        DataError: There is no label, only one class, or a class index that does not exist.
    """
    counts = torch.zeros(classes, dtype=torch.float64)
    for batch in training:
        labels = batch.targets.get(info.name)
        if labels is not None:
            found = torch.bincount(labels[label_mask(labels, info)], minlength=classes)
            if len(found) > classes:
                raise DataError(
                    f"Label '{info.name}' has the class {len(found) - 1}, but its classes run "
                    f"from 0 to {classes - 1}; correct the labels or their number of classes."
                )
            counts += found
    if not counts.any():
        raise DataError(
            f"No crystal of the training split has the label '{info.name}'; choose another target."
        )
    if (counts > 0).sum() == 1:
        raise DataError(
            f"Label '{info.name}' is class {int(counts.argmax())} for every training crystal; "
            "there is nothing to learn, choose another target or more data."
        )
    return counts


def log_prior(counts: Tensor) -> Tensor:
    """Return the logarithm of each class's share of the labels, ``(classes,)``.

    Args:
        counts: Labels of each class, ``(classes,)``, dimensionless.
    """
    smoothed = counts + _PSEUDO_COUNT
    return torch.log(smoothed / smoothed.sum())


def inverse_sqrt_weights(counts: Tensor, cap: float) -> Tensor:
    """Return weights ∝ n^-0.5 whose mean over the training labels is 1.

    Args:
        counts: n, ``(classes,)``, dimensionless.
        cap: Largest weight relative to the most frequent class.

    Returns:
        ``(classes,)``, dimensionless; a class that never occurs gets the largest.
    """
    relative = (counts.max() / counts.clamp(min=1e-12)).sqrt().clamp(max=cap)
    return relative / ((relative * counts).sum() / counts.sum())
