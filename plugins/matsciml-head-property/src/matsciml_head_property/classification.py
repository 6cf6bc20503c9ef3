"""Classification on the crystal embedding: two classes, or many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from matsciml_core import CrystalBatch, Embedding, TargetInfo, TaskHead, Values, labels_of
from matsciml_core.errors import ConfigError
from matsciml_core.nn.dense import ACTIVATIONS, DenseStack
from matsciml_core.nn.masked_loss import masked_mean
from matsciml_head_property._class_labels import count_classes, inverse_sqrt_weights, log_prior
from matsciml_head_property.config import BinaryConfig, MulticlassConfig, PerceptronConfig
from matsciml_head_property.metrics import (
    Auroc,
    AveragePrecision,
    BalancedAccuracy,
    CrystalSystemAccuracy,
    MacroAuroc,
    MacroF1,
)
from matsciml_head_property.symmetry import SPACE_GROUPS, space_group_classes

_TOP = 5


class _ClassHead(TaskHead):
    """What the two heads share: a perceptron to logits that starts from the classes' shares."""

    counts: Tensor
    """Training labels of each class, ``(classes,)`` float64."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: PerceptronConfig,
        classes: int,
    ) -> None:
        super().__init__(targets, atom_width, crystal_width, config)
        # One logit is enough for two classes: that of the other is its negative.
        logits = 1 if self.target.kind == "binary" else classes
        self.layers = DenseStack(
            crystal_width,
            (*config.hidden, logits),
            ACTIVATIONS[config.activation],
            dropout=config.dropout,
        ).start_at_zero()
        self.register_buffer("counts", torch.ones(classes, dtype=torch.float64))

    @property
    def target(self) -> TargetInfo:
        """The one target.

        Raises:
            ConfigError: There is not exactly one target of one value per crystal.
        """
        if len(self.targets) != 1 or self.targets[0].per_atom:
            names = ", ".join(info.name for info in self.targets)
            raise ConfigError(
                "A classification head predicts one target with one class per crystal, not "
                f"{names}; choose another head."
            )
        return self.targets[0]

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the class indices, ``(crystals,)`` int64, −1 where missing."""
        return {self.target.name: labels_of(batch, self.target)}

    def _start_from(self, bias: Tensor) -> None:
        """Let an untrained head, whose last weights are zero, answer with these logits."""
        with torch.no_grad():
            last: torch.nn.Linear = self.layers.layers[-1]  # type: ignore[assignment]
            last.bias.copy_(bias)


class BinaryHead(_ClassHead):
    """Predicts the probability of class 1 of two.

    The loss is binary cross-entropy; an untrained head answers with the share of class 1 among
    the training labels.

    Raises:
        ConfigError: There is not exactly one target of one class per crystal.
    """

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: BinaryConfig | None = None,
    ) -> None:
        """Build the perceptron."""
        self.settings = config or BinaryConfig()
        super().__init__(targets, atom_width, crystal_width, self.settings, 2)

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Count the classes among the training labels.

        Raises:
            DataError: There is no label, or only one class.
        """
        self.counts.copy_(count_classes(training, self.target, 2))
        start = 0.0 if self.settings.balance else torch.log(self.counts[1] / self.counts[0])
        self._start_from(torch.as_tensor(start))

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logits, ``(crystals,)``."""
        return {self.target.name: self.layers(embedding.crystals).squeeze(-1)}

    def loss(self, prediction: Values, target: Values, mask: Values) -> Tensor:
        """Return the mean cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        labels = target[name].clamp(0, 1)
        losses = functional.binary_cross_entropy_with_logits(
            prediction[name], labels.to(prediction[name].dtype), reduction="none"
        )
        if self.settings.balance:
            weights = 0.5 * self.counts.sum() / self.counts
            losses = losses * weights.to(losses.dtype)[labels]
        return masked_mean(losses, mask[name])

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


class MulticlassHead(_ClassHead):
    """Predicts the probability of each of several classes, for example of 230 space groups.

    The loss is cross-entropy, by choice with class weights, label smoothing, or logit adjustment.

    Raises:
        ConfigError: There is not exactly one target of one class per crystal.

    References:
        Menon, Jayasumana, Rawat, Jain, Veit, Kumar, Long-tail learning via logit adjustment, ICLR
        (2021), arXiv:2007.07314, Eq. (10).
    """

    weights: Tensor
    """Weight of each class in the loss, ``(classes,)`` float64."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: MulticlassConfig | None = None,
    ) -> None:
        """Build the perceptron."""
        self.settings = config or MulticlassConfig()
        self.classes = targets[0].num_classes or 0
        super().__init__(targets, atom_width, crystal_width, self.settings, self.classes)
        self.register_buffer("weights", torch.ones(self.classes, dtype=torch.float64))

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Count the classes among the training labels.

        Raises:
            DataError: There is no label, only one class, or a class that does not exist.
        """
        self.counts.copy_(count_classes(training, self.target, self.classes))
        if self.settings.class_weights == "inverse-sqrt":
            self.weights.copy_(inverse_sqrt_weights(self.counts, self.settings.weight_cap))
        # With the full adjustment the prior is in the loss already.
        self._start_from((1.0 - min(self.settings.logit_adjustment, 1.0)) * log_prior(self.counts))

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logits, ``(crystals, classes)``."""
        return {self.target.name: self.layers(embedding.crystals)}

    def loss(self, prediction: Values, target: Values, mask: Values) -> Tensor:
        """Return the mean weighted cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        logits, labels = prediction[name], target[name].clamp(min=0)
        if self.settings.logit_adjustment:
            logits = logits + self.settings.logit_adjustment * log_prior(self.counts).to(logits)
        losses = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.settings.label_smoothing
        )
        return masked_mean(losses * self.weights.to(losses)[labels], mask[name])

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
            groups = space_group_classes(batch, self.settings.symprec)
            sure = functional.one_hot(groups.clamp(min=0), self.classes).to(shares.dtype)
            found["symmetry_finder"] = torch.where((groups < 0).unsqueeze(1), shares, sure)
        return {name: {self.target.name: value} for name, value in found.items()}
