"""The heads ``trees``, ``boosting`` and ``ridge``, for numbers and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, FeatureHead, TargetInfo, Values
from matsciml_core.errors import DataError
from matsciml_core.nn.masked_loss import masked_loss, masked_mean
from matsciml_core.nn.segments import Segments, segment_mean
from matsciml_head_classical.config import (
    BoostingConfig,
    ClassicalConfig,
    RidgeConfig,
    TreesConfig,
)
from matsciml_head_classical.models import BoostingModel, ForestModel, Model, RidgeModel
from matsciml_util_property.classes import BinaryBase, MulticlassBase
from matsciml_util_property.numbers import NumberHead


class _Classical(FeatureHead):
    """What all heads share: which features are read, and a model that is fitted on them.

    The class that a user names is one of numbers or of classes as its label is.
    """

    by_kind: ClassVar[dict[str, type[_Classical]]]
    """The class for each kind of label."""
    model: Model

    def __new__(cls, targets: Sequence[TargetInfo] = (), *_: Any, **__: Any) -> Self:
        """Make a head of the class for the first label."""
        chosen = vars(cls).get("by_kind", {}).get(targets[0].kind if targets else "", cls)
        return super().__new__(chosen)

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: ClassicalConfig | None = None,
    ) -> None:
        """Make a model that is not fitted yet."""
        super().__init__(targets, atom_width, crystal_width, config)
        self.reads = "crystal" if config is None else config.features
        width = (self.reads != "atoms") * crystal_width + (self.reads != "crystal") * 2 * atom_width
        self.model = self._model(getattr(self, "classes", 0), width)

    def _model(self, classes: int, width: int) -> Model:
        """Return the model for a number of classes, 0 for numbers."""
        raise NotImplementedError

    def features(self, embedding: Embedding, batch: CrystalBatch) -> Tensor:
        """Return the features that the settings ask for, ``(crystals, width)``."""
        parts = [] if self.reads == "atoms" else [embedding.crystals]
        if self.reads != "crystal":
            atoms = Segments(batch.crystal_index, batch.atoms_per_crystal)
            mean = segment_mean(embedding.atoms, atoms)
            square = segment_mean(embedding.atoms.square(), atoms)
            parts += [mean, (square - mean.square()).clamp(min=0.0).sqrt()]
        return torch.cat(parts, dim=1)

    def fit_features(self, features: Tensor, target: Values, mask: Values, *, seed: int) -> None:
        """Fit the model on the crystals that have the label.

        Args:
            features: What :meth:`features` returned, ``(crystals, width)``, dimensionless.
            target: What ``transform`` returned of the label: z-scores or class indices,
                ``(crystals,)``, dimensionless.
            mask: True where the label exists, ``(crystals,)``.
            seed: Of what the model draws at random.

        Raises:
            DataError: No crystal has it, or an embedding is not finite.
        """
        name = self.targets[0].name
        rows = mask[name]
        chosen = features[rows].detach().to(torch.float32).numpy()
        if not len(chosen):
            raise DataError(
                f"No crystal of the training split has the label '{name}'; choose another target."
            )
        if not np.isfinite(chosen).all():
            raise DataError(
                "The encoder gives embeddings that are not finite, on which nothing can be fitted; "
                "choose another encoder or model."
            )
        self.model.solve(chosen, target[name][rows].numpy(), seed)

    def _predict(self, embedding: Embedding, batch: CrystalBatch) -> Tensor | None:
        """Return what the model says; None: it is not fitted."""
        return self.model(self.features(embedding, batch)) if self.model.is_fitted else None

    @property
    def spread_targets(self) -> tuple[str, ...]:
        """The label, where it is a number that a forest predicts."""
        able = isinstance(self, NumberHead) and isinstance(self.model, ForestModel)
        return (self.targets[0].name,) if able else ()

    def uncertainty(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the spread of the trees of a forest of numbers, in the label's unit."""
        if not isinstance(self, NumberHead) or not self.model.is_fitted:
            return {}
        spread = self.model.spread(self.features(embedding, batch))
        return {} if spread is None else {self.target.name: spread * self.std * self._size(batch)}


class _Numbers(_Classical, NumberHead):
    """Numbers, as z-scores."""

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict z-scores, ``(crystals,)``; zero before the model is fitted."""
        values = self._predict(embedding, batch)
        if values is None:
            values = 0.0 * embedding.crystals.sum(dim=1, keepdim=True)
        return {self.target.name: values.squeeze(1)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean absolute error over the labelled crystals, in z-scores."""
        name = self.target.name
        return masked_loss(
            "l1", prediction[name], target[name], mask[name], (weights or {}).get(name)
        )


class _TwoClasses(_Classical, BinaryBase):
    """Two classes, as the logit of the second."""

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logits, ``(crystals,)``; that of the share of class 1 before fitting."""
        values = self._predict(embedding, batch)
        if values is None:
            start = torch.log(self.counts[1] / self.counts[0])
            return {self.target.name: start + 0.0 * embedding.crystals.sum(dim=1)}
        return {self.target.name: values[:, 1] - values[:, 0]}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        labels = target[name].clamp(0, 1).to(prediction[name].dtype)
        losses = functional.binary_cross_entropy_with_logits(
            prediction[name], labels, reduction="none"
        )
        return masked_mean(losses, mask[name], (weights or {}).get(name))


class _Classes(_Classical, MulticlassBase):
    """Several classes, as logarithms of their probabilities."""

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict logarithms of probabilities, ``(crystals, classes)``; the shares at first."""
        values = self._predict(embedding, batch)
        if values is None:
            shares = (self.counts + 0.5).log().log_softmax(dim=0)
            values = shares + 0.0 * embedding.crystals.sum(dim=1, keepdim=True)
        return {self.target.name: values}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean cross-entropy over the labelled crystals, nats."""
        name = self.target.name
        labels = target[name].clamp(min=0)
        losses = functional.cross_entropy(prediction[name], labels, reduction="none")
        return masked_mean(losses, mask[name], (weights or {}).get(name))


class TreesHead(_Classical):
    """A forest of trees, whose spread says how uncertain it is."""

    def _model(self, classes: int, width: int) -> Model:
        config = self.config if isinstance(self.config, TreesConfig) else TreesConfig()
        return ForestModel(config, classes, width)


class BoostingHead(_Classical):
    """Gradient-boosted trees."""

    def _model(self, classes: int, width: int) -> Model:
        config = self.config if isinstance(self.config, BoostingConfig) else BoostingConfig()
        return BoostingModel(config, classes)


class RidgeHead(_Classical):
    """Ridge regression; of classes logistic regression with the same penalty."""

    def _model(self, classes: int, width: int) -> Model:
        config = self.config if isinstance(self.config, RidgeConfig) else RidgeConfig()
        return RidgeModel(config, classes, width)


class TreesOfNumbers(TreesHead, _Numbers):
    """Trees for numbers."""


class TreesOfTwoClasses(TreesHead, _TwoClasses):
    """Trees for two classes."""


class TreesOfClasses(TreesHead, _Classes):
    """Trees for several classes."""


class BoostingOfNumbers(BoostingHead, _Numbers):
    """Boosting for numbers."""


class BoostingOfTwoClasses(BoostingHead, _TwoClasses):
    """Boosting for two classes."""


class BoostingOfClasses(BoostingHead, _Classes):
    """Boosting for several classes."""


class RidgeOfNumbers(RidgeHead, _Numbers):
    """Ridge regression for numbers."""


class RidgeOfTwoClasses(RidgeHead, _TwoClasses):
    """Logistic regression for two classes."""


class RidgeOfClasses(RidgeHead, _Classes):
    """Logistic regression for several classes."""


TreesHead.by_kind = {
    "scalar": TreesOfNumbers,
    "binary": TreesOfTwoClasses,
    "multiclass": TreesOfClasses,
}
BoostingHead.by_kind = {
    "scalar": BoostingOfNumbers,
    "binary": BoostingOfTwoClasses,
    "multiclass": BoostingOfClasses,
}
RidgeHead.by_kind = {
    "scalar": RidgeOfNumbers,
    "binary": RidgeOfTwoClasses,
    "multiclass": RidgeOfClasses,
}
