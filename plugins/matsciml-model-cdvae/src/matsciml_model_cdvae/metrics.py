"""The metric of the generative head."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class ColumnMean(Metric):
    """Mean over crystals of one column of the head's predictions, which are errors already."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the crystals of a batch.

        Args:
            preds: ``(crystals, columns)``, each in a unit of its own.
            target: The labels, ``(crystals,)``, dimensionless; only their number counts.
        """
        self.total += preds[:, self.column].to(self.total.dtype).sum()
        self.count += len(target)

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.total / self.count
