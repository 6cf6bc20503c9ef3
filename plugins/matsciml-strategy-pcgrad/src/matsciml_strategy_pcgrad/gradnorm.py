"""The aggregator ``gradnorm``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from matsciml_core import Task
from matsciml_strategy_pcgrad.config import GradNormConfig
from matsciml_strategy_pcgrad.gram_aggregator import GramAggregator

_SMALLEST = 1e-3
"""Smallest weight: a task whose weight has reached zero would never come back."""


class GradNorm(GramAggregator):
    """Learned weights that bring the weighted gradients to lengths that fit the tasks' progress.

    A task whose loss has fallen less than the others' is allowed a longer gradient (Chen et al.
    2018, eqs. 1 and 2). Deviations: lengths are those over all shared parameters, not over the
    last shared layer; they are divided by their mean, so that the learning rate of the weights
    does not depend on the scale of the losses; the weights of the tasks in a step keep their sum.
    Heads receive the gradient of the unweighted loss.
    """

    task_weights: Tensor
    """w_t, ``(tasks,)`` float64, dimensionless."""
    first_losses: Tensor
    """Loss of each task in its first step, ``(tasks,)`` float64; NaN before it."""

    def __init__(self, config: GradNormConfig | None = None) -> None:
        """Keep the settings."""
        super().__init__(config)
        self.settings = config or GradNormConfig()
        self._index: dict[str, int] = {}

    def setup(self, tasks: Sequence[Task]) -> None:
        """Start with equal weights."""
        self._index = {task.key: index for index, task in enumerate(tasks)}
        ones = torch.ones(len(tasks), dtype=torch.float64)
        self.register_buffer("task_weights", ones)
        self.register_buffer("first_losses", torch.full_like(ones, torch.nan))

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights, and learn from the step.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: A scalar per task key in the order of the rows, dimensionless.
        """
        index = torch.tensor([self._index[key] for key in losses]).to(gram.device)
        values = torch.stack(list(losses.values())).to(torch.float64)
        weights = self.task_weights.index_select(0, index).to(torch.float64)
        first = self.first_losses.index_select(0, index).to(torch.float64)
        first = torch.where(first.isnan(), values, first)
        learned = self._learned(weights, gram.diagonal().sqrt(), values, first)
        # A step with a loss that is not finite is skipped by the training loop; what it left in
        # the weights would stay.
        usable = learned.isfinite().all() & values.isfinite().all()
        self.task_weights = _updated(self.task_weights, index, learned, weights, usable)
        self.first_losses = _updated(self.first_losses, index, first, torch.nan, usable)
        return weights

    def _learned(self, weights: Tensor, norms: Tensor, values: Tensor, first: Tensor) -> Tensor:
        """Return the weights after a step down the slope of Σ_t |w_t |g_t| − target_t|."""
        tiny = torch.finfo(norms.dtype).tiny
        norms = norms / norms.mean().clamp_min(tiny)
        progress = torch.where(first.abs() > 0, values / first, 1.0).clamp_min(0.0)
        rates = progress / progress.mean().clamp_min(tiny)
        lengths = weights * norms
        target = lengths.mean() * rates**self.settings.alpha  # eq. (1); a constant in the slope
        slope = norms * torch.sign(lengths - target)
        stepped = (weights - self.settings.learning_rate * slope).clamp_min(_SMALLEST)
        return stepped * weights.sum() / stepped.sum()


def _updated(
    buffer: Tensor, index: Tensor, new: Tensor, old: Tensor | float, usable: Tensor
) -> Tensor:
    """Return a buffer with new values at some indices, or the old ones where not usable."""
    return buffer.index_copy(0, index, torch.where(usable, new, old).to(buffer.dtype))
