"""Metrics of classes that torchmetrics does not have, or averages over classes that are absent.

All sum or concatenate over processes as any other torchmetrics object does.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision, MulticlassAUROC
from torchmetrics.utilities.data import dim_zero_cat

from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS


class _Confusion(Metric):
    """Counts pairs of label and most likely class."""

    full_state_update = False
    higher_is_better = True
    confusion: Tensor
    """``(classes, classes)``: rows are labels, columns predictions."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.add_state("confusion", counts, dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            preds: Probabilities, ``(crystals,)`` of class 1 of two, or ``(crystals, classes)``;
                dimensionless.
            target: Class indices, ``(crystals,)``, dimensionless.
        """
        chosen = preds.argmax(dim=1) if preds.dim() == 2 else (preds > 0.5).long()
        cells = torch.bincount(target * self.num_classes + chosen, minlength=self.num_classes**2)
        self.confusion += cells.view(self.num_classes, self.num_classes)


class BalancedAccuracy(_Confusion):
    """Mean over the classes among the labels of the share predicted right."""

    def compute(self) -> Tensor:
        """Return the mean recall, 0 to 1."""
        support = self.confusion.sum(dim=1)
        return (self.confusion.diagonal() / support)[support > 0].double().mean()


class MacroF1(_Confusion):
    """Mean F1 over the classes among labels or predictions."""

    def compute(self) -> Tensor:
        """Return the mean F1, 0 to 1."""
        total = self.confusion.sum(dim=1) + self.confusion.sum(dim=0)
        return (2 * self.confusion.diagonal() / total)[total > 0].double().mean()


class CrystalSystemAccuracy(Metric):
    """Share of space groups whose crystal system is predicted right.

    The system of a prediction is the one with the largest sum of probabilities.
    """

    full_state_update = False
    higher_is_better = True
    right: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        numbers = torch.arange(1, 231)
        starts = torch.tensor(list(FIRST_SPACE_GROUPS.values())[1:])
        self.systems = torch.bucketize(numbers, starts, right=True)  # (groups,)
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch; class k is the group with the international number k + 1.

        Args:
            preds: Probabilities, ``(crystals, 230)``, dimensionless.
            target: Class indices, ``(crystals,)``, dimensionless.
        """
        systems = self.systems.to(target.device)
        sums = preds.new_zeros(len(preds), len(FIRST_SPACE_GROUPS))
        sums.index_add_(1, systems, preds)
        self.right += (sums.argmax(dim=1) == systems[target]).sum()
        self.total += len(target)

    def compute(self) -> Tensor:
        """Return the share, 0 to 1."""
        return self.right / self.total


class Auroc(BinaryAUROC):
    """Area under the ROC curve; NaN, without a warning, where there is only one class."""

    def compute(self) -> Tensor:  # type: ignore[override]
        """Return the area, 0.5 for a constant score."""
        target = dim_zero_cat(self.target)
        if not bool((target != target[0]).any()):
            return torch.tensor(torch.nan)
        return super().compute()


class AveragePrecision(BinaryAveragePrecision):
    """Average precision; NaN, without a warning, where no label is positive."""

    def compute(self) -> Tensor:  # type: ignore[override]
        """Return the average precision; the share of positives for a constant score."""
        if not bool((dim_zero_cat(self.target) > 0).any()):
            return torch.tensor(torch.nan)
        return super().compute()


class MacroAuroc(MulticlassAUROC):
    """One-versus-rest area under the ROC curve, averaged over the classes among the labels."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes=num_classes, average=None, validate_args=False)

    def compute(self) -> Tensor:  # type: ignore[override]
        """Return the mean area; NaN where there is only one class."""
        support = torch.bincount(dim_zero_cat(self.target), minlength=self.num_classes)
        mixed = (support > 0) & (support < support.sum())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No (posi|nega)tive samples in targets")
            return super().compute()[mixed].mean()
