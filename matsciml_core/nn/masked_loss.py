"""Losses over the labels that exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["l1", "mse", "huber"]
_LOSSES: Mapping[LossName, Callable[..., Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


def masked_mean(losses: Tensor, mask: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean of the losses of labels that exist, each times the weight of its row.

    Args:
        losses: ``(labels, ...)``, dimensionless, finite also where no label exists: 0 x NaN would
            be NaN in the gradient.
        mask: True where a label exists, ``(labels, ...)`` bool, dimensionless.
        weights: Weight of each row, ``(labels,)``, dimensionless; None: all count alike.

    Returns:
        A scalar; zero, with a graph, where no label exists.
    """
    kept = torch.where(mask, losses, 0.0)
    if weights is not None:
        kept = kept * weights.view(-1, *[1] * (losses.dim() - 1))
    # By the number of labels and not by the sum of the weights: a batch of light rows is to count
    # less than one of heavy rows, down to batches of a single row.
    return kept.sum() / mask.sum().clamp(min=1)


def masked_loss(
    name: LossName,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of a loss over the entries that have a label, times the weights of rows.

    Args:
        name: ``l1``, ``mse``, or ``huber``, which changes from quadratic to linear at one.
        prediction: ``(labels, ...)``, in the space that a head trains in, dimensionless.
        target: ``(labels, ...)``, dimensionless; NaN, or anything else, where a label is missing.
        mask: True where a label exists, ``(labels, ...)`` bool, dimensionless.
        weights: Weight of each row, ``(labels,)``, dimensionless; None: all count alike.

    Returns:
        A scalar; zero, with a graph, where no label exists.
    """
    # Missing labels are replaced before the difference is taken: the gradient of a loss at NaN is
    # NaN, and multiplying by a mask afterwards would keep it.
    filled = torch.where(mask, target, prediction.detach())
    return masked_mean(_LOSSES[name](prediction, filled, reduction="none"), mask, weights)
