"""Numbers per crystal, per atom, or per point of a grid: scale, metrics and baselines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score

from matsciml_core import (
    Config,
    CrystalBatch,
    TargetInfo,
    TaskHead,
    Values,
    label_mask,
    labels_of,
)
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.nn.element_fit import ELEMENTS, PREDICTING_RIDGE, ElementFit, element_sums

SMALLEST_SPREAD = 1e-8
"""Labels with a smaller standard deviation, in their unit, are constant."""


class NumberHead(TaskHead):
    """Predicts numbers that do not turn with the crystal; a subclass says how.

    Training happens on z-scores z = (y − mean) / std, with mean and standard deviation fitted in
    float64 on the training split. Of a grid the mean is that of each point, and the standard
    deviation that of all points together, so that a point where nothing happens is not blown up.
    An extensive label is divided by the number of atoms first, because the embedding of a crystal
    is a mean over its atoms.

    Raises:
        ConfigError: There is not exactly one target, a number or a grid per crystal, or per atom
            where the head takes such.
    """

    takes_sites: ClassVar[bool] = False
    """Whether it takes labels of single atoms, such as magnetic moments, too."""
    mean: Tensor
    """Mean of the training labels, ``shape`` float64, in their unit (per atom if extensive)."""
    std: Tensor
    """Standard deviation around it, 0-dimensional float64, in the same unit."""
    median: Tensor
    """Median of the training labels, ``shape`` float64, in the same unit."""
    coefficients: Tensor
    """What composition alone says, or of an atom its element: a value per element,
    ``(119, *shape)`` float64, in the same unit. A baseline to compare with; training does not use
    it."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
    ) -> None:
        """Make room for what is fitted."""
        super().__init__(targets, atom_width, crystal_width, config)
        if len(self.targets) != 1 or (self.targets[0].per_atom and not self.takes_sites):
            rows = "crystal or per atom" if self.takes_sites else "crystal"
            raise ConfigError(
                f"{type(self).__name__} predicts one target with one value per {rows}, not "
                f"{', '.join(info.name for info in self.targets)}; choose another head."
            )
        self.target = self.targets[0]
        shape = self.target.shape
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("std", torch.ones((), dtype=torch.float64))
        self.register_buffer("median", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(ELEMENTS, *shape, dtype=torch.float64))

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit mean, standard deviation and the baselines on the training labels.

        Raises:
            DataError: No crystal has the label, or all have the same value.
        """
        composition, name = ElementFit(self.target.shape), self.target.name
        blocks, numbers = [], []
        for batch in training:
            if name in batch.targets:
                labels = batch.targets[name].to(torch.float64) / self._size(batch)
                labelled = label_mask(labels, self.target).view(len(labels), -1).all(1)
                if self.target.per_atom:
                    numbers.append(batch.atomic_numbers[labelled])
                else:
                    composition.add(batch, labels, labelled)
                blocks.append(labels[labelled])
        labels = torch.cat(blocks) if blocks else torch.empty(0)
        if not len(labels):
            raise DataError(
                f"No crystal of the training split has the label '{name}'; choose another target."
            )
        std = labels.var(dim=0, correction=0).mean().sqrt()
        if std < SMALLEST_SPREAD:
            value = f"{labels[0]:g} {self.target.unit}" if labels.dim() == 1 else "the same"
            raise DataError(
                f"Label '{name}' is {value} for every training crystal; there is nothing to learn, "
                "choose another target or more data."
            )
        self.mean.copy_(labels.mean(dim=0))
        self.std.copy_(std)
        self.median.copy_(labels.median(dim=0).values)
        if self.target.per_atom:
            # The same fit, of which each atom is a crystal: with one element in each, the normal
            # equations are diagonal.
            ridge = torch.full((ELEMENTS,), PREDICTING_RIDGE, dtype=torch.float64)
            counts = ridge + torch.bincount(torch.cat(numbers), minlength=ELEMENTS)
            sums = torch.zeros_like(self.coefficients).index_add(
                0, torch.cat(numbers), labels - self.mean
            )
            self.coefficients.copy_(self.mean + sums / counts.view(-1, *[1] * (labels.dim() - 1)))
        else:
            self.coefficients.copy_(composition.solve(PREDICTING_RIDGE))

    def _size(self, batch: CrystalBatch) -> Tensor:
        """Return what labels are divided by, ``(rows, 1 …)``: one, or the number of atoms."""
        rows = batch.atomic_numbers if self.target.per_atom else batch.atoms_per_crystal
        sizes = rows.to(torch.float64)
        sizes = sizes if self.target.extensive else torch.ones_like(sizes)
        return sizes.view(-1, *[1] * len(self.target.shape))

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the labels as z-scores, ``(rows, *shape)``, NaN where missing."""
        labels = labels_of(batch, self.target)
        scores = (labels / self._size(batch) - self.mean) / self.std
        return {self.target.name: scores.to(labels.dtype)}

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the prediction in the label's unit, ``(rows, *shape)`` float64."""
        values = prediction[self.target.name].to(torch.float64) * self.std + self.mean
        return {self.target.name: values * self._size(batch)}

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
        size = self._size(batch)  # (rows, 1 …)
        if self.target.per_atom:
            composition = self.coefficients[batch.atomic_numbers]
        else:
            atoms = batch.atoms_per_crystal.view_as(size)
            composition = element_sums(self.coefficients, batch) / atoms * size
        predictions = {
            "mean": self.mean * size,
            "median": self.median * size,
            "composition": composition,
        }
        return {name: {self.target.name: value} for name, value in predictions.items()}
