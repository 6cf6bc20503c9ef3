"""The strategy ``mgda``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from matsciml_core import Task
from matsciml_core.errors import ConfigError
from matsciml_strategy_pcgrad.rule import Rule

MOST_TASKS = 10
"""Tasks up to which all 2ᵀ − 1 faces of the simplex are tried, 1023 at most."""
_ROUNDING = 1e-9
"""Weights that rounding may have made negative."""


class MGDA(Rule):
    """The point of the gradients' convex hull that is nearest to zero (Sener and Koltun 2018).

    Going against it worsens no task; it is zero where no direction helps all of them, and so also
    where one task alone is solved. Being the shortest average, it is shorter than the plain sum,
    which matters to an optimiser that, unlike Adam, does not scale its steps itself.
    """

    def validate(self, tasks: Sequence[Task]) -> None:
        """Refuse more tasks than can be solved exactly.

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
        """Return the weights of the nearest point, not negative and of sum 1."""
        return nearest_weights(gram)


def nearest_weights(gram: Tensor) -> Tensor:
    """Return the weights of the point of a convex hull that is nearest to zero.

    On each face of the simplex the point nearest to zero solves linear equations; the nearest
    one of all, among those whose weights are not negative, is the answer. All faces are solved at
    once, which is exact and, unlike an iteration, waits for nothing.

    Args:
        gram: Dot products of the corners, ``(corners, corners)``, at most ten of them.

    Returns:
        Weights, ``(corners,)``, not negative, of sum 1.

    References:
        Sener and Koltun, NeurIPS 31 (2018), eq. (3); Désidéri, C. R. Acad. Sci. Paris 350 (2012).
    """
    scaled = gram / gram.diagonal().max().clamp_min(torch.finfo(gram.dtype).tiny)
    faces = _faces(len(gram), gram.device)
    inside = faces.to(gram.dtype)
    size = len(gram)
    system = gram.new_zeros((len(faces), size + 1, size + 1))
    # K w = λ on the face, w = 0 off it, Σ w = 1.
    system[:, :size, :size] = scaled * inside.unsqueeze(1) * inside.unsqueeze(2)
    system[:, :size, :size] += torch.diag_embed(1.0 - inside)
    system[:, :size, size] = system[:, size, :size] = inside
    right = torch.cat((gram.new_zeros(size), gram.new_ones(1))).expand(len(faces), -1)
    found, failed = torch.linalg.solve_ex(system, right)
    points = found[:, :size]
    length = torch.einsum("fi,ij,fj->f", points, scaled, points)
    usable = (points >= -_ROUNDING).all(dim=1) & (failed == 0) & length.isfinite()
    best = torch.where(usable, length, torch.inf).argmin().reshape(1)
    weights: Tensor = points.index_select(0, best)[0].clamp_min(0.0)
    return weights / weights.sum()


def _faces(size: int, device: torch.device) -> Tensor:
    """Return which corners belong to each face, ``(2^corners − 1, corners)`` bool."""
    numbers = torch.arange(1, 2**size, device=device)
    return (numbers.unsqueeze(1) >> torch.arange(size, device=device)) % 2 == 1
