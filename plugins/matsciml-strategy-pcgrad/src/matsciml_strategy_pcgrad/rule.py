"""What the strategies share: weights for task gradients, from their dot products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_core import Strategy
from matsciml_core.interfaces.strategy import gram_matrix


class Rule(Strategy):
    """A rule that combines the tasks' gradients g_t of the shared parameters: Σ_t w_t g_t.

    The weights depend on the T x T matrix of dot products alone, so that a rule costs the same
    for an encoder of any size, and never looks at a number on the host.
    """

    needs_task_gradients = True

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of the losses, which is logged and not differentiated."""
        return torch.stack([losses[key] for key in sorted(losses)]).sum()

    def aggregate(self, gradients: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return Σ_t w_t g_t; one task alone keeps its gradient."""
        if len(gradients) == 1:
            return gradients[0]
        weights = self.weights(gram_matrix(gradients), losses)
        return weights.to(gradients.dtype) @ gradients

    @abstractmethod
    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return a weight for each task that is present.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64; at least two tasks.
            losses: The losses without their graph, in the order of the rows.

        Returns:
            ``(tasks,)`` float64.
        """
