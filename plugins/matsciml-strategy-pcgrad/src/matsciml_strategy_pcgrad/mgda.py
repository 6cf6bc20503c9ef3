"""The aggregator ``mgda``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from matsciml_core import Task
from matsciml_core.errors import ConfigError
from matsciml_strategy_pcgrad.gram_aggregator import GramAggregator

MOST_TASKS = 10
"""Tasks up to which all 2ᵀ − 1 faces of the simplex are tried, 1023 at most."""
_ROUNDING = 1e-9
"""Weights that rounding may have made negative."""


class MGDA(GramAggregator):
    """The point of the gradients' convex hull that is nearest to zero (Sener and Koltun 2018).

    Going against it worsens no task; it is zero where no direction helps all of them, and so also
    where one task alone is solved. Being the shortest average, it is shorter than the plain sum,
    which matters to an optimiser that, unlike Adam, does not scale its steps itself.
    """

    def validate(self, tasks: Sequence[Task]) -> None:
        """Reject more tasks than can be solved exactly.

        Raises:
            ConfigError: There are too many.
        """
        if len(tasks) > MOST_TASKS:
            raise ConfigError(
                f"The strategy 'mgda' trains at most {MOST_TASKS} tasks, but the run has "
                f"{len(tasks)}; name fewer, or choose another strategy, see "
                "'matsciml list-plugins --kind strategy'."
            )

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights of the nearest point, not negative and of sum 1.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: Not needed; a scalar per task key, dimensionless.
        """
        del losses
        return nearest_weights(gram)


def nearest_weights(gram: Tensor) -> Tensor:
    """Return the weights of the point of a convex hull that is nearest to zero.

    On each face of the simplex the point nearest to zero solves linear equations; the nearest
    one of all, among those whose weights are not negative, is the answer. All faces are solved at
    once, which is exact and, unlike an iteration, waits for nothing.

    Args:
        gram: Dot products of the corners, ``(corners, corners)`` float64, dimensionless; at most
            ten corners.

    Returns:
        Weights, ``(corners,)``, dimensionless, not negative, of sum 1.

    References:
        Sener and Koltun, NeurIPS 31 (2018), eq. (3); Désidéri, C. R. Acad. Sci. Paris 350 (2012).
    """
    # Scaled, so that _ROUNDING is a share of the largest dot product.
    scaled = gram / gram.diagonal().max().clamp_min(torch.finfo(gram.dtype).tiny)
    size = len(gram)
    # The bits of 1 … 2^size − 1 say which corners belong to a face.
    numbers = torch.arange(1, 2**size, device=gram.device)
    bits = torch.arange(size, device=gram.device)
    inside = ((numbers.unsqueeze(1) >> bits) % 2).to(gram.dtype)  # (faces, corners)
    system = gram.new_zeros((len(inside), size + 1, size + 1))
    # K w = λ on the face, w = 0 off it, Σ w = 1.
    system[:, :size, :size] = scaled * inside.unsqueeze(1) * inside.unsqueeze(2)
    system[:, :size, :size] += torch.diag_embed(1.0 - inside)
    system[:, :size, size] = system[:, size, :size] = inside
    right = torch.cat((gram.new_zeros(size), gram.new_ones(1))).expand(len(inside), -1)
    solutions, failed = torch.linalg.solve_ex(system, right)
    points = solutions[:, :size]  # (faces, corners)
    length = torch.einsum("fi,ij,fj->f", points, scaled, points)
    usable = (points >= -_ROUNDING).all(dim=1) & (failed == 0) & length.isfinite()
    best = torch.where(usable, length, torch.inf).argmin().reshape(1)
    weights: Tensor = points.index_select(0, best)[0].clamp_min(0.0)
    return weights / weights.sum()
