"""Scalar regression on the crystal embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score

from matsciml_core import (
    CrystalBatch,
    Embedding,
    TargetInfo,
    TaskHead,
    Values,
    label_mask,
    labels_of,
)
from matsciml_core.errors import ConfigError, DataError
from matsciml_head_property.composition import ELEMENTS, CompositionFit, composition_values
from matsciml_head_property.config import RegressionConfig
from matsciml_head_property.layers import perceptron

SMALLEST_SPREAD = 1e-8
"""Labels with a smaller standard deviation, in their unit, are constant."""

_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


class RegressionHead(TaskHead):
    """Predicts one number per crystal with a multi-layer perceptron.

    Training happens on z-scores z = (y − mean) / std, with mean and standard deviation fitted in
    float64 on the training split. The last layer starts at zero, so training starts from
    predict-the-mean.

    Raises:
        ConfigError: There is not exactly one target of one value per crystal.
    """

    mean: Tensor
    """Mean of the training labels, 0-dimensional float64, in their unit."""
    std: Tensor
    """Standard deviation of the training labels, 0-dimensional float64, in their unit."""
    median: Tensor
    """Median of the training labels, 0-dimensional float64, in their unit."""
    coefficients: Tensor
    """What composition alone says: a number per element, ``(119,)`` float64, in the label's unit.
    A baseline to compare with; training does not use it."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: RegressionConfig | None = None,
    ) -> None:
        """Build the perceptron."""
        super().__init__(targets, atom_width, crystal_width, config)
        if len(self.targets) != 1 or self.targets[0].per_atom:
            raise ConfigError(
                "The head 'regression' predicts one target with one value per crystal, not "
                f"{', '.join(info.name for info in self.targets)}; choose another head."
            )
        self.settings = config or RegressionConfig()
        self.layers = perceptron(
            crystal_width,
            self.settings.hidden,
            1,
            activation=self.settings.activation,
            dropout=self.settings.dropout,
        )
        for name, value in (("mean", 0.0), ("std", 1.0), ("median", 0.0)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(ELEMENTS, dtype=torch.float64))

    @property
    def target(self) -> TargetInfo:
        """The one target."""
        return self.targets[0]

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit mean, standard deviation and the baselines on the training labels.

        Raises:
            DataError: No crystal has the label, or all have the same value.
        """
        composition, found = CompositionFit(), []
        for batch in training:
            if self.target.name in batch.targets:
                labels = batch.targets[self.target.name].to(torch.float64)
                known = label_mask(labels, self.target)
                composition.add(batch, labels, known)
                found.append(labels[known])
        labels = torch.cat(found) if found else torch.empty(0)
        self._check_labels(labels)
        self.mean.copy_(labels.mean())
        self.std.copy_(labels.std(correction=0))
        self.median.copy_(labels.median())
        self.coefficients.copy_(composition.solve())

    def _check_labels(self, labels: Tensor) -> None:
        name = self.target.name
        if not len(labels):
            raise DataError(
                f"No crystal of the training split has the label '{name}'; choose another target."
            )
        if labels.std(correction=0) < SMALLEST_SPREAD:
            raise DataError(
                f"Label '{name}' is {labels[0]:g} {self.target.unit} for every training crystal; "
                "there is nothing to learn, choose another target or more data."
            )

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict z-scores, ``(crystals,)``."""
        return {self.target.name: self.layers(embedding.crystals).squeeze(-1)}

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the labels as z-scores, ``(crystals,)``, NaN where missing."""
        labels = labels_of(batch, self.target)
        return {self.target.name: (labels - self.mean).div(self.std).to(labels.dtype)}

    def loss(self, prediction: Values, target: Values, mask: Values) -> Tensor:
        """Return the mean loss over the labelled crystals, in z-scores."""
        name = self.target.name
        known = mask[name]
        # Missing labels are replaced before the difference is taken: NaN x 0 is NaN.
        filled = torch.where(known, target[name], prediction[name].detach())
        losses = _LOSSES[self.settings.loss](prediction[name], filled, reduction="none")
        return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the prediction in the label's unit, ``(crystals,)`` float64."""
        name = self.target.name
        return {name: prediction[name].to(torch.float64) * self.std + self.mean}

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return MAE, RMSE, MSE and R²."""
        return {
            self.target.name: {
                "mae": MeanAbsoluteError(),
                "rmse": MeanSquaredError(squared=False),
                "mse": MeanSquaredError(),
                "r2": R2Score(),
            }
        }

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return mean and median of the training labels, and what composition alone says."""
        shape = (batch.num_crystals,)
        predictions = {
            "mean": self.mean.expand(shape),
            "median": self.median.expand(shape),
            "composition": composition_values(self.coefficients, batch),
        }
        return {name: {self.target.name: value} for name, value in predictions.items()}
