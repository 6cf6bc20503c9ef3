"""The aggregator ``pcgrad``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from matsciml_strategy_pcgrad.config import PCGradConfig
from matsciml_strategy_pcgrad.gram_aggregator import GramAggregator


class PCGrad(GramAggregator):
    """Gradient surgery (Yu et al. 2020, algorithm 1), exact.

    Each task's gradient meets the unchanged gradients of the others in random order, a new one
    for each task and step; where the two contradict each other, it loses its component along the
    other. The update is the sum of what is left, as in the paper, so that tasks without conflict
    are trained as by the plain sum. Dot products are those of all shared parameters together.

    The orders come from a generator of its own on the CPU, seeded by the settings, whose state is
    saved: a resumed run continues as if uninterrupted, every rank of a distributed run samples the
    same, and other users of random numbers have no influence. Orders are sampled for the tasks
    sorted by key, so that the order in which targets are named has none either.
    """

    def __init__(self, config: PCGradConfig | None = None) -> None:
        """Seed the generator."""
        super().__init__(config)
        seed = (config or PCGradConfig()).seed
        # Kept as a state rather than as a generator, which can be neither copied nor pickled.
        self._state = torch.Generator().manual_seed(seed).get_state()

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return Σ_i c_i, the coefficients of all projected gradients.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: A scalar per task key in the order of the rows, dimensionless.
        """
        orders = self.sample_orders(list(losses))
        return projected_coefficients(gram, orders.to(gram.device, non_blocking=True)).sum(dim=0)

    def sample_orders(self, keys: Sequence[str]) -> Tensor:
        """Sample the order in which each task meets the others.

        Args:
            keys: The task of each row.

        Returns:
            Indices of rows, ``(tasks, tasks − 1)`` int64, on the CPU.
        """
        generator = torch.Generator()
        generator.set_state(self._state)
        by_key = sorted(range(len(keys)), key=keys.__getitem__)
        orders = torch.empty(len(keys), len(keys) - 1, dtype=torch.int64)
        for position, row in enumerate(by_key):
            others = torch.tensor(by_key[:position] + by_key[position + 1 :])
            orders[row] = others[torch.randperm(len(others), generator=generator)]
        self._state = generator.get_state()
        return orders

    def get_extra_state(self) -> Tensor:
        """Return the state of the generator, for checkpoints."""
        return self._state

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the state of the generator.

        Args:
            state: As :meth:`get_extra_state` returned it, ``(bytes,)`` uint8, dimensionless.
        """
        # A checkpoint may have been loaded onto a GPU, where generators of the CPU cannot read it.
        self._state = state.to("cpu", torch.uint8)


def projected_coefficients(gram: Tensor, orders: Tensor) -> Tensor:
    """Project gradients g_i = Σ_j δ_ij g_j, keeping only their coefficients.

    With g = Σ_j c_j g_j, the dot product with g_j is (K c)_j, and taking the component along g_j
    out of g means c_j ← c_j − (K c)_j / K_jj. All gradients are projected side by side.

    Args:
        gram: K, the dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
        orders: For each gradient the others in the order in which it meets them,
            ``(tasks, tasks − 1)`` int64, dimensionless indices of rows.

    Returns:
        The coefficients of each projected gradient, ``(tasks, tasks)``, dimensionless, one row
        each.

    References:
        Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 33 (2020), algorithm 1.
    """
    coefficients = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    squares = gram.diagonal()
    for other in orders.unbind(dim=1):  # (tasks,), the next one that each gradient meets
        overlap = (coefficients * gram.index_select(0, other)).sum(dim=1)  # (K c)_j, (tasks,)
        square = squares.index_select(0, other)
        # A zero gradient contradicts nothing, and must not be divided by.
        conflict = (overlap < 0) & (square > 0)
        change = torch.where(conflict, -overlap / square, 0.0)
        coefficients = coefficients.scatter_add(1, other.unsqueeze(1), change.unsqueeze(1))
    return coefficients
