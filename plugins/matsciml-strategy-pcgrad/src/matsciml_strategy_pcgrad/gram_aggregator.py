"""What the aggregators share: weights for task gradients, from their dot products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_core import Strategy
from matsciml_core.interfaces.strategy import gram_matrix


class GramAggregator(Strategy):
    """Combines the tasks' gradients g_t of the shared parameters to Σ_t w_t g_t.

    The weights depend on the T x T matrix of dot products alone, so that an aggregator costs the
    same for an encoder of any size, and reads no number on the host: a step on a GPU waits for
    nothing.
    """

    needs_task_gradients = True

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of the losses, which is logged and not differentiated.

        Args:
            losses: A scalar per task key, dimensionless.
        """
        # Sorted: sums of floating-point numbers depend on their order, and runs must not.
        return torch.stack([losses[key] for key in sorted(losses)]).sum()

    def aggregate(self, gradients: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return Σ_t w_t g_t; one task alone keeps its gradient.

        Args:
            gradients: One row per task, ``(tasks, parameters)``, in the units of 1 / parameter.
            losses: The losses without their graph, a scalar per task key, dimensionless.
        """
        if len(gradients) == 1:
            return gradients[0]
        weights = self.weights(gram_matrix(gradients), losses)
        return weights.to(gradients.dtype) @ gradients

    @abstractmethod
    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return a weight for each task that is present.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless; at
                least two tasks.
            losses: The losses without their graph, a scalar per task key in the order of the rows,
                dimensionless.

        Returns:
            ``(tasks,)`` float64, dimensionless.
        """
