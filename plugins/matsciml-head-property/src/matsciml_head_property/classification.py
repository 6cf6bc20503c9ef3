"""Classification on the crystal embedding: two classes, or many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, TargetInfo, Values
from matsciml_core.nn.dense import ACTIVATIONS, DenseStack
from matsciml_core.nn.masked_loss import masked_mean
from matsciml_head_property.config import BinaryConfig, MulticlassConfig, PerceptronConfig
from matsciml_util_property.class_counts import inverse_sqrt_weights, log_prior
from matsciml_util_property.classes import BinaryBase, MulticlassBase


def _layers(crystal_width: int, config: PerceptronConfig, logits: int) -> DenseStack:
    """Return a perceptron to logits that are zero at first."""
    return DenseStack(
        crystal_width,
        (*config.hidden, logits),
        ACTIVATIONS[config.activation],
        dropout=config.dropout,
    ).start_at_zero()


def _start_from(layers: DenseStack, bias: Tensor) -> None:
    """Let an untrained head, whose last weights are zero, answer with these logits."""
    with torch.no_grad():
        last: torch.nn.Linear = layers.layers[-1]  # type: ignore[assignment]
        last.bias.copy_(bias)


class BinaryHead(BinaryBase):
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
        super().__init__(targets, atom_width, crystal_width, self.settings)
        # One logit is enough for two classes: that of the other is its negative.
        self.layers = _layers(crystal_width, self.settings, 1)

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Count the classes among the training labels.

        Raises:
            DataError: There is no label, or only one class.
        """
        super().fit(training)
        start = 0.0 if self.settings.balance else torch.log(self.counts[1] / self.counts[0])
        _start_from(self.layers, torch.as_tensor(start))

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logits, ``(crystals,)``."""
        return {self.target.name: self.layers(embedding.crystals).squeeze(-1)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        labels = target[name].clamp(0, 1)  # −1 is a missing class; the mask leaves it out
        losses = functional.binary_cross_entropy_with_logits(
            prediction[name], labels.to(prediction[name].dtype), reduction="none"
        )
        if self.settings.balance:
            # Either class has half of the whole weight, and a label has the weight one in the mean.
            balance = 0.5 * self.counts.sum() / self.counts
            losses = losses * balance.to(losses.dtype)[labels]
        return masked_mean(losses, mask[name], (weights or {}).get(name))


class MulticlassHead(MulticlassBase):
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
        super().__init__(targets, atom_width, crystal_width, self.settings)
        self.symprec = self.settings.symprec
        self.layers = _layers(crystal_width, self.settings, self.classes)
        self.register_buffer("weights", torch.ones(self.classes, dtype=torch.float64))

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Count the classes among the training labels.

        Raises:
            DataError: There is no label, only one class, or a class that does not exist.
        """
        super().fit(training)
        if self.settings.class_weights == "inverse-sqrt":
            self.weights.copy_(inverse_sqrt_weights(self.counts, self.settings.weight_cap))
        # With the full adjustment the prior is in the loss already.
        start = (1.0 - min(self.settings.logit_adjustment, 1.0)) * log_prior(self.counts)
        _start_from(self.layers, start)

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logits, ``(crystals, classes)``."""
        return {self.target.name: self.layers(embedding.crystals)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean weighted cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        logits, labels = prediction[name], target[name].clamp(min=0)
        # In the loss alone: what is predicted is then as if all classes were equally frequent.
        if self.settings.logit_adjustment:
            logits = logits + self.settings.logit_adjustment * log_prior(self.counts).to(logits)
        losses = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.settings.label_smoothing
        )
        losses = losses * self.weights.to(losses)[labels]
        return masked_mean(losses, mask[name], (weights or {}).get(name))
