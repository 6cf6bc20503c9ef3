"""Regression on the embedding: a number per crystal or per atom, or one per point of a grid."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from matsciml_core import CrystalBatch, Embedding, TargetInfo, Values
from matsciml_core.nn.dense import ACTIVATIONS, DenseStack
from matsciml_core.nn.masked_loss import masked_loss
from matsciml_head_property.config import RegressionConfig
from matsciml_util_property.numbers import NumberHead


class RegressionHead(NumberHead):
    """Predicts numbers that do not turn with the crystal, with a multi-layer perceptron.

    The last layer starts at zero, so training starts from predict-the-mean.

    Raises:
        ConfigError: There is not exactly one target, a number or a grid per crystal or per atom.
    """

    takes_sites = True

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: RegressionConfig | None = None,
    ) -> None:
        """Build the perceptron."""
        super().__init__(targets, atom_width, crystal_width, config)
        self.settings = config or RegressionConfig()
        self.layers = DenseStack(
            atom_width if self.target.per_atom else crystal_width,
            (*self.settings.hidden, self.target.width),
            ACTIVATIONS[self.settings.activation],
            dropout=self.settings.dropout,
        ).start_at_zero()

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict z-scores, ``(crystals, *shape)``, or ``(atoms, *shape)`` per atom."""
        rows = embedding.atoms if self.target.per_atom else embedding.crystals
        values = self.layers(rows)  # (rows, width)
        return {self.target.name: values.view(-1, *self.target.shape)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean loss over the labelled numbers, in z-scores."""
        name = self.target.name
        return masked_loss(
            self.settings.loss,
            prediction[name],
            target[name],
            mask[name],
            (weights or {}).get(name),
        )
