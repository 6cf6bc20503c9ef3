"""Classes of crystals: counts, probabilities, metrics and baselines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from matsciml_core import Config, CrystalBatch, TargetInfo, TaskHead, Values, labels_of
from matsciml_core.errors import ConfigError
from matsciml_util_property.class_counts import count_classes
from matsciml_util_property.metrics import (
    Auroc,
    AveragePrecision,
    BalancedAccuracy,
    CrystalSystemAccuracy,
    MacroAuroc,
    MacroF1,
)
from matsciml_util_property.symmetry import SPACE_GROUPS, space_group_classes

_TOP = 5


class ClassHead(TaskHead):
    """What heads for two and for many classes share; a prediction is made of logits."""

    counts: Tensor
    """Training labels of each class, ``(classes,)`` float64."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None,
        classes: int,
    ) -> None:
        """Make room for the counts of the classes.

        Raises:
            ConfigError: There is not exactly one target of one class per crystal.
        """
        super().__init__(targets, atom_width, crystal_width, config)
        if len(self.targets) != 1 or self.targets[0].per_atom:
            names = ", ".join(info.name for info in self.targets)
            raise ConfigError(
                "A classification head predicts one target with one class per crystal, not "
                f"{names}; choose another head."
            )
        self.target = self.targets[0]
        self.classes = classes
        self.register_buffer("counts", torch.ones(classes, dtype=torch.float64))

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the class indices, ``(crystals,)`` int64, −1 where missing."""
        return {self.target.name: labels_of(batch, self.target)}

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Count the classes among the training labels.

        Raises:
            DataError: There is no label, only one class, or a class that does not exist.
        """
        self.counts.copy_(count_classes(training, self.target, len(self.counts)))


class BinaryBase(ClassHead):
    """Probability of class 1 of two, of one logit."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
    ) -> None:
        """Make room for the counts of two classes."""
        super().__init__(targets, atom_width, crystal_width, config, 2)

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the probability of class 1, ``(crystals,)`` float64."""
        return {self.target.name: prediction[self.target.name].to(torch.float64).sigmoid()}

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return accuracies at 0.5 and what the scores are worth at any threshold."""
        return {
            self.target.name: {
                "accuracy": BinaryAccuracy(),
                "balanced_accuracy": BalancedAccuracy(2),
                "macro_f1": MacroF1(2),
                "auroc": Auroc(),
                "average_precision": AveragePrecision(),
            }
        }

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return the share of class 1 among the training labels, for every crystal."""
        share = self.counts[1] / self.counts.sum()
        return {"majority": {self.target.name: share.expand(batch.num_crystals)}}


class MulticlassBase(ClassHead):
    """Probabilities of several classes, of a logit each."""

    symprec = 0.1
    """Tolerance of the symmetry finder that stands beside space-group predictions, Å."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
    ) -> None:
        """Make room for the counts of the classes."""
        super().__init__(targets, atom_width, crystal_width, config, targets[0].num_classes or 0)

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the probability of each class, ``(crystals, classes)`` float64."""
        return {self.target.name: prediction[self.target.name].to(torch.float64).softmax(dim=-1)}

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return accuracies, macro F1 and AUROC; for space groups the crystal system's too."""
        classes = self.classes
        found: dict[str, Metric] = {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "balanced_accuracy": BalancedAccuracy(classes),
            "macro_f1": MacroF1(classes),
            "auroc": MacroAuroc(classes),
        }
        if classes > _TOP:
            found["top5_accuracy"] = MulticlassAccuracy(classes, top_k=_TOP, average="micro")
        if classes == SPACE_GROUPS:
            found["crystal_system_accuracy"] = CrystalSystemAccuracy()
        return {self.target.name: found}

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return the classes' shares, and for space groups what a symmetry finder says."""
        shares = (self.counts / self.counts.sum()).expand(batch.num_crystals, -1)
        found = {"majority": shares}
        if self.classes == SPACE_GROUPS:
            groups = space_group_classes(batch, self.symprec)
            sure = functional.one_hot(groups.clamp(min=0), self.classes).to(shares.dtype)
            found["symmetry_finder"] = torch.where((groups < 0).unsqueeze(1), shares, sure)
        return {name: {self.target.name: value} for name, value in found.items()}
