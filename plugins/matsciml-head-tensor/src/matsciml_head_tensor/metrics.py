"""Errors of vectors and matrices that do not depend on the axes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class _MeanOverTensors(Metric):
    """Mean over tensors of a number that is made of the difference from the label."""

    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the tensors of a batch.

        Args:
            preds: Components, tensor after tensor, ``(tensors, ...)``, in the label's unit.
            target: The labels, ``(tensors, ...)``, in the label's unit.
        """
        errors = (preds - target).reshape(-1, *self.shape)
        self.total += self.measure(errors).sum()
        self.count += len(errors)

    def measure(self, errors: Tensor) -> Tensor:
        """Return a number for each tensor.

        Args:
            errors: Prediction minus label, ``(tensors, *shape)``, in the label's unit.

        Returns:
            ``(tensors,)``, in the label's unit.
        """
        raise NotImplementedError

    def compute(self) -> Tensor:
        """Return the mean, in the label's unit."""
        return self.total / self.count


class ErrorNorm(_MeanOverTensors):
    """Mean length of the error of a vector, or Frobenius norm of that of a matrix."""

    def measure(self, errors: Tensor) -> Tensor:
        """Return the norm of each error, ``(tensors,)``, in the label's unit.

        Args:
            errors: Prediction minus label, ``(tensors, *shape)``, in the label's unit.
        """
        return torch.linalg.vector_norm(errors.flatten(1), dim=1)


class IsotropicError(_MeanOverTensors):
    """Mean absolute error of a third of the trace of a matrix."""

    def measure(self, errors: Tensor) -> Tensor:
        """Return |tr/3| of each error, ``(tensors,)``, in the label's unit.

        Args:
            errors: Prediction minus label, ``(tensors, *shape)``, in the label's unit.
        """
        return errors.diagonal(dim1=-2, dim2=-1).mean(dim=-1).abs()


class AnisotropicError(_MeanOverTensors):
    """Mean Frobenius norm of the error of a matrix less a third of its trace on the diagonal."""

    def measure(self, errors: Tensor) -> Tensor:
        """Return the norm of each traceless error, ``(tensors,)``, in the label's unit.

        Args:
            errors: Prediction minus label, ``(tensors, *shape)``, in the label's unit.
        """
        trace = errors.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[:, None, None]
        rest = errors - trace * torch.eye(3).to(errors)
        return torch.linalg.vector_norm(rest.flatten(1), dim=1)
