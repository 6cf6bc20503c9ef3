"""The strategies ``imtl-g`` and ``nash-mtl``: the solution of T equations."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_strategy_pcgrad.rule import Rule

_CANCELLED = 1e-12
"""Share of a sum's terms below which the sum counts as zero."""
_NEWTON_STEPS = 40
_SOFTENING = 1e-9
"""Added to the diagonal of the cosines, lest exactly opposed gradients have no bargain."""


class IMTLG(Rule):
    """The direction with equal components along all unit gradients (Liu et al. 2021, eq. 2).

    Weights have the sum 1 and may be negative. Where no such direction exists, as for exactly
    opposed gradients, the plain mean is taken.
    """

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights."""
        return impartial_weights(gram)


class NashMTL(Rule):
    """The Nash bargaining solution (Navon et al. 2022, eq. 4): K w = 1 / w.

    Solved in double precision by Newton's method, whose problem is convex, rather than by the
    paper's sequence of approximations. The paper's solution has a length that does not depend on
    that of the gradients; here it is scaled back by the norm of K, so that one task alone would
    receive its plain gradient.
    """

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weights, all positive."""
        return bargained_weights(gram)


def impartial_weights(gram: Tensor) -> Tensor:
    """Return the weights of IMTL-G for dot products ``(tasks, tasks)``."""
    cosines, norms = _cosines(gram)
    there = norms > 0
    solution = torch.linalg.pinv(cosines, hermitian=True) @ there.to(gram.dtype)
    weights = torch.where(there, solution / norms, 0.0)
    total = weights.sum()
    plain = there.to(gram.dtype) / there.sum().clamp_min(1)
    cancelled = total.abs() <= _CANCELLED * torch.where(there, 1.0 / norms, 0.0).sum()
    return torch.where(cancelled, plain, weights / total)


def bargained_weights(gram: Tensor) -> Tensor:
    """Return the weights of Nash-MTL for dot products ``(tasks, tasks)``.

    In terms of b_t = w_t |g_t| the equations are C b = 1 / b with the cosines C, the condition
    for the minimum of b C b / 2 − Σ ln b; damped steps of Newton's method stay where b > 0.

    References:
        Boyd and Vandenberghe, Convex Optimization (2004), section 9.6.4, for the damping.
    """
    cosines, norms = _cosines(gram)
    cosines = cosines + _SOFTENING * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    scaled = torch.ones_like(norms)
    for _ in range(_NEWTON_STEPS):
        slope = cosines @ scaled - 1.0 / scaled
        curvature = cosines + torch.diag(scaled.square().reciprocal())
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
