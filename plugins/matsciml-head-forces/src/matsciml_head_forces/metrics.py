"""The direction of forces."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

_SMALLEST = 1e-8
"""Forces shorter than this, eV/Å, have no direction and are left out."""


class ForceCosine(Metric):
    """Mean over atoms of the cosine between predicted and labelled force."""

    full_state_update = False
    higher_is_better = True
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the atoms of a batch.

        Args:
            preds: Force components, three for each atom one after the other, ``(atoms * 3,)``,
                eV/Å.
            target: The labels, ``(atoms * 3,)``, eV/Å.
        """
        predicted, labels = preds.reshape(-1, 3), target.reshape(-1, 3)
        length = labels.norm(dim=1)
        chosen = length > _SMALLEST
        product = (predicted * labels).sum(1) / (length * predicted.norm(dim=1)).clamp(min=1e-30)
        self.total += torch.where(chosen, product, 0.0).sum()
        self.count += chosen.sum()

    def compute(self) -> Tensor:
        """Return the mean cosine, −1 to 1."""
        return self.total / self.count
