"""The aggregators ``imtl-g`` and ``nash-mtl``: the solution of T equations."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_strategy_pcgrad.gram_aggregator import GramAggregator

_CANCELLED = 1e-12
"""Share of the sum of a sum's terms, below which the sum counts as zero."""
_NEWTON_STEPS = 40
"""Damped steps, a fixed number. Gradients in general position need fewer than ten; the rest is for
nearly opposed ones, whose solution lies far from the start."""
_REGULARISATION = 1e-9
"""Added to the diagonal of the cosines: exactly opposed gradients would have no solution."""


class IMTLG(GramAggregator):
    """The direction with equal components along all unit gradients (Liu et al. 2021, eq. 2).

    Weights have the sum 1 and may be negative. Where no such direction exists, as for exactly
    opposed gradients, the plain mean is taken.
    """

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: Not needed; a scalar per task key, dimensionless.
        """
        del losses
        return impartial_weights(gram)


class NashMTL(GramAggregator):
    """The Nash bargaining solution (Navon et al. 2022, eq. 4): K w = 1 / w.

    Solved in double precision by Newton's method, whose problem is convex, rather than by the
    paper's sequence of approximations. The paper's solution has a length that does not depend on
    that of the gradients; here it is scaled back by the norm of K, so that one task alone would
    receive its plain gradient.
    """

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights, all positive.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: Not needed; a scalar per task key, dimensionless.
        """
        del losses
        return bargained_weights(gram)


def impartial_weights(gram: Tensor) -> Tensor:
    """Return the weights of IMTL-G.

    Args:
        gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.

    Returns:
        ``(tasks,)`` float64, dimensionless, of sum 1; zero for a task without a gradient.
    """
    cosines, norms = _cosines(gram)
    nonzero = norms > 0
    # With b_t = w_t |g_t| the components along the unit gradients are C b; all equal means
    # C b = 1 up to a factor. The pseudo-inverse serves for dependent gradients.
    solution = torch.linalg.pinv(cosines, hermitian=True) @ nonzero.to(gram.dtype)
    weights = torch.where(nonzero, solution / norms, 0.0)
    total = weights.sum()
    mean = nonzero.to(gram.dtype) / nonzero.sum().clamp_min(1)
    # Opposed gradients: the weights cancel, and dividing by their sum would blow up rounding.
    cancelled = total.abs() <= _CANCELLED * torch.where(nonzero, 1.0 / norms, 0.0).sum()
    return torch.where(cancelled, mean, weights / total)


def bargained_weights(gram: Tensor) -> Tensor:
    """Return the weights of Nash-MTL.

    In terms of b_t = w_t |g_t| the equations are C b = 1 / b with the cosines C, the condition
    for the minimum of b C b / 2 − Σ ln b; damped steps of Newton's method stay where b > 0.

    Args:
        gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.

    Returns:
        ``(tasks,)`` float64, dimensionless, not negative.

    References:
        Boyd and Vandenberghe, Convex Optimization (2004), section 9.6.4, for the damping.
    """
    cosines, norms = _cosines(gram)
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    cosines = cosines + _REGULARISATION * identity
    scaled = torch.ones_like(norms)  # b, (tasks,)
    # A fixed number of steps: a test for convergence would read a number on the host.
    for _ in range(_NEWTON_STEPS):
        slope = cosines @ scaled - 1.0 / scaled
        curvature = cosines + torch.diag(scaled.square().reciprocal())
        # solve_ex() reports a singular matrix in its second value instead of raising on the host.
        step, _ = torch.linalg.solve_ex(curvature, slope)
        decrement = (slope * step).sum().clamp_min(0.0).sqrt()
        scaled = scaled - step / (1.0 + decrement)
    weights = torch.where(norms > 0, scaled / norms, 0.0)
    size: Tensor = torch.linalg.matrix_norm(gram)
    return weights * size.sqrt()


def _cosines(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines between gradients, and their norms; a zero gradient is its own unit."""
    norms = gram.diagonal().clamp_min(0.0).sqrt()
    units = torch.where(norms > 0, norms, 1.0)
    cosines = gram / units.unsqueeze(0) / units.unsqueeze(1)
    return cosines + torch.diag((norms == 0).to(gram.dtype)), norms
