"""What the head fits on the training split before training."""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core import CrystalBatch, TargetInfo
from matsciml_core.nn.element_fit import ELEMENTS, PREDICTING_RIDGE, ElementFit


class TensorFit:
    """Mean isotropic part and spread of vectors or matrices, one batch at a time, in float64."""

    def __init__(self, target: TargetInfo) -> None:
        """Start without data.

        Args:
            target: The label.
        """
        self.target = target
        self.count = 0
        self._trace = torch.zeros((), dtype=torch.float64)
        self._square = torch.zeros((), dtype=torch.float64)
        self._composition = ElementFit()
        self._of_element = torch.zeros(ELEMENTS, dtype=torch.float64)
        self._atoms = torch.zeros(ELEMENTS, dtype=torch.float64)

    def add(self, batch: CrystalBatch, labels: Tensor, mask: Tensor) -> None:
        """Take in the labelled crystals or atoms of a batch.

        Args:
            batch: The crystals.
            labels: ``(rows, *shape)`` float64, in the label's unit (per atom if extensive).
            mask: Where a label exists, ``(rows,)`` bool, dimensionless.
        """
        self.count += int(mask.sum())
        self._square += labels[mask].square().sum()
        if self.target.rank == 1:
            return
        isotropic = labels.diagonal(dim1=1, dim2=2).mean(dim=1)  # (rows,)
        self._trace += 3 * isotropic[mask].sum()
        if self.target.per_atom:
            numbers = batch.atomic_numbers[mask]
            self._of_element.index_add_(0, numbers, isotropic[mask])
            self._atoms += torch.bincount(numbers, minlength=ELEMENTS)
        else:
            self._composition.add(batch, isotropic, mask)

    @property
    def mean(self) -> Tensor:
        """μ, the mean of tr T / 3, 0-dimensional, in the label's unit; zero for vectors."""
        return self._trace / (3 * max(self.count, 1))

    @property
    def std(self) -> Tensor:
        """Root mean square of the components of T − μ 1, 0-dimensional, in the label's unit."""
        # ‖T − μ 1‖² = ‖T‖² − 2 μ tr T + 3 μ²
        squares = self._square - 2 * self.mean * self._trace + 3 * self.mean.square() * self.count
        return (squares / (max(self.count, 1) * self.target.width)).clamp(min=0.0).sqrt()

    def coefficients(self) -> Tensor:
        """Return tr T / 3 by element, ``(119,)``, in the label's unit; μ for elements not seen."""
        if self.target.rank == 1:
            return torch.zeros(ELEMENTS, dtype=torch.float64)
        if self.target.per_atom:
            means = self._of_element / self._atoms.clamp(min=1)
            return torch.where(self._atoms > 0, means, self.mean)
        return self._composition.solve(PREDICTING_RIDGE)
