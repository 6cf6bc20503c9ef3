"""Vectors and matrices that turn with the crystal, per crystal or per atom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric

from matsciml_core import (
    CrystalBatch,
    Embedding,
    TargetInfo,
    TensorEmbedding,
    TensorHead,
    Values,
    label_mask,
    labels_of,
)
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.nn.dense import ACTIVATIONS, DenseStack
from matsciml_core.nn.element_fit import ELEMENTS, element_sums
from matsciml_core.nn.masked_loss import masked_mean
from matsciml_head_tensor._fitting import TensorFit
from matsciml_head_tensor.config import TensorConfig
from matsciml_head_tensor.metrics import AnisotropicError, ErrorNorm, IsotropicError

SMALLEST_SPREAD = 1e-8
"""Labels that differ less from their isotropic mean, in their unit, are constant."""


class TensorRegressionHead(TensorHead):
    """Predicts a vector or a matrix from the vectors and matrices of an encoder's atoms.

    Each atom i has the vector Σ_c a_c v_c, or the matrix b 1 + Σ_c a_c M_c + Σ_k p_k u_k w_kᵀ, with
    weights a, b, p that a perceptron makes of its invariant embedding, and vectors u, w that are
    linear combinations of its v. Invariant weights times vectors and matrices turn as these do. A
    crystal has the mean over its atoms, times their number where the label is extensive; of a
    label that is symmetric the symmetric part is taken.

    The head trains on (T − μ 1)/σ. μ, of matrices only, is the mean of tr T / 3, and σ² the mean
    square of the components of T − μ 1, both fitted in float64 on the training split, extensive
    labels per atom. These constants do not depend on the axes, as a mean of each component would.
    The last layer of the perceptron starts at zero, so training starts from μ 1.

    Raises:
        ConfigError: There is not exactly one target, it is of another rank, or the encoder has no
            feature that it could be made of.
    """

    ranks = (1, 2)

    mean: Tensor
    """μ, 0-dimensional float64, in the label's unit (per atom if extensive)."""
    std: Tensor
    """σ, 0-dimensional float64, in the same unit."""
    coefficients: Tensor
    """What elements alone say about tr T / 3, ``(119,)`` float64, in the same unit. A baseline to
    compare with; training does not use it."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: TensorConfig | None = None,
        *,
        vector_width: int,
        matrix_width: int,
    ) -> None:
        """Build the perceptron."""
        super().__init__(
            targets,
            atom_width,
            crystal_width,
            config,
            vector_width=vector_width,
            matrix_width=matrix_width,
        )
        self.settings = config or TensorConfig()
        if len(self.targets) != 1:
            names = ", ".join(info.name for info in self.targets)
            raise ConfigError(
                f"The head 'tensor-regression' predicts one target, not {names}; name one, or "
                "train several tasks."
            )
        self.target = self.targets[0]
        if not vector_width and (self.target.rank == 1 or not matrix_width):
            raise ConfigError(
                f"The encoder gives no vectors, which '{self.target.name}' is made of; choose "
                "settings of it that do."
            )
        products = self.settings.products if self.target.rank == 2 and vector_width else 0
        weights = vector_width if self.target.rank == 1 else 1 + matrix_width + products
        self.layers = DenseStack(
            atom_width,
            (*self.settings.hidden, weights),
            ACTIVATIONS[self.settings.activation],
        ).start_at_zero()
        if products:
            self.mix = nn.Linear(vector_width, 2 * products, bias=False)  # a bias would not turn
        self.products = products
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("std", torch.ones((), dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(ELEMENTS, dtype=torch.float64))

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit μ, σ and the baseline on the training labels.

        Raises:
            DataError: No crystal has the label, or all are the same multiple of the unit matrix.
        """
        fit, name = TensorFit(self.target), self.target.name
        for batch in training:
            if name in batch.targets:
                labels = batch.targets[name].to(torch.float64) / self._size(batch)
                fit.add(batch, labels, label_mask(labels, self.target).flatten(1).all(1))
        if not fit.count:
            raise DataError(
                f"No crystal of the training split has the label '{name}'; choose another target."
            )
        if fit.std < SMALLEST_SPREAD:
            raise DataError(
                f"Label '{name}' is the same for every training crystal; there is nothing to "
                "learn, choose another target or more data."
            )
        self.mean.copy_(fit.mean)
        self.std.copy_(fit.std)
        self.coefficients.copy_(fit.coefficients())

    def _size(self, batch: CrystalBatch) -> Tensor:
        """Return what labels are divided by, ``(rows, 1 …)``: one, or the number of atoms."""
        rows = batch.atomic_numbers if self.target.per_atom else batch.atoms_per_crystal
        sizes = rows if self.target.extensive else torch.ones_like(rows)
        return sizes.to(torch.float64).view(-1, *[1] * self.target.rank)

    def _isotropic(self, values: Tensor) -> Tensor:
        """Return multiples of the unit matrix, ``(rows, 3, 3)``; of vectors there are none: zero.

        Args:
            values: ``(rows,)``, in the label's unit.
        """
        if self.target.rank == 1:
            return values.new_zeros(len(values), 3)
        return values[:, None, None] * torch.eye(3).to(values)

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict (T − μ 1)/σ, ``(crystals, *shape)`` or ``(atoms, *shape)``."""
        tensors = self.tensors_of(embedding)
        weights = self.layers(tensors.atoms).to(tensors.vectors.dtype)  # (atoms, weights)
        # Autocast would round components to bfloat16, differently in every orientation.
        with torch.autocast(weights.device.type, enabled=False):
            if self.target.rank == 1:
                values = torch.einsum("ac,acx->ax", weights, tensors.vectors)
            else:
                values = self._matrices(weights, tensors)
        if not self.target.per_atom:
            sums = values.new_zeros(batch.num_crystals, *self.target.shape)
            sums = sums.index_add(0, batch.crystal_index, values)
            values = sums / batch.atoms_per_crystal.view(-1, *[1] * self.target.rank)
        return {self.target.name: values}

    def _matrices(self, weights: Tensor, tensors: TensorEmbedding) -> Tensor:
        """Return the matrix of each atom, ``(atoms, 3, 3)``, dimensionless.

        Args:
            weights: ``(atoms, 1 + matrices + products)``, dimensionless.
            tensors: Vectors and matrices of the atoms.
        """
        isotropic, linear, bilinear = weights.split((1, self.matrix_width, self.products), dim=1)
        matrices = isotropic[..., None] * torch.eye(3).to(weights)
        matrices = matrices + torch.einsum("ac,acxy->axy", linear, tensors.matrices)
        if self.products:
            mixed = self.mix(tensors.vectors.transpose(1, 2))  # (atoms, 3, 2 products)
            left, right = mixed.split(self.products, dim=2)
            matrices = matrices + torch.einsum("ak,axk,ayk->axy", bilinear, left, right)
        return 0.5 * (matrices + matrices.transpose(1, 2)) if self.target.symmetric else matrices

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the labels as (T − μ 1)/σ, NaN where missing."""
        labels = labels_of(batch, self.target)
        mean = self._isotropic(self.mean.expand(len(labels)))
        values = (labels / self._size(batch) - mean) / self.std
        return {self.target.name: values.to(labels.dtype)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean loss over the labelled tensors, in units of σ."""
        name = self.target.name
        values, labelled = prediction[name], mask[name]
        # Missing labels are replaced before the difference is taken: NaN x 0 is NaN.
        labels = torch.where(labelled, target[name], values.detach())
        norms = torch.linalg.vector_norm((values - labels).flatten(1), dim=1)
        norms = norms / self.target.width**0.5
        losses = norms if self.settings.loss == "norm" else norms.square()
        return masked_mean(losses, labelled.flatten(1).all(1), (weights or {}).get(name))

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the prediction in the label's unit, float64."""
        values = prediction[self.target.name].to(torch.float64)
        mean = self._isotropic(self.mean.expand(len(values)))
        return {self.target.name: (values * self.std + mean) * self._size(batch)}

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return errors of single components, and errors that do not depend on the axes."""
        shape = self.target.shape
        metrics: dict[str, Metric] = {
            "mae": MeanAbsoluteError(),
            "rmse": MeanSquaredError(squared=False),
            "mse": MeanSquaredError(),
            "error_norm": ErrorNorm(shape),
        }
        if self.target.rank == 2:
            metrics["isotropic_mae"] = IsotropicError(shape)
            metrics["anisotropic_error"] = AnisotropicError(shape)
        return {self.target.name: metrics}

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return the mean isotropic matrix, and that of the elements; of vectors zero."""
        name, size = self.target.name, self._size(batch)
        mean = self._isotropic(self.mean.expand(len(size))) * size
        if self.target.rank == 1:
            return {"zero": {name: mean}}
        if self.target.per_atom:
            elements = self.coefficients[batch.atomic_numbers]
        else:
            elements = element_sums(self.coefficients, batch) / batch.atoms_per_crystal
        return {"mean": {name: mean}, "composition": {name: self._isotropic(elements) * size}}
