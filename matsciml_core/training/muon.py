"""Muon: matrices are stepped along their gradient, with all its singular values made alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

SMALLEST = 16
"""Least of rows and columns for a matrix that is stepped so: of a vector, or of the few rows of a
read-out, the direction is all that would be left."""
MOMENTUM = 0.95
"""Weight of the older gradients, per step."""
_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial a s + b s³ + c s⁵, which brings singular values s from (0, 1] to about 1
faster than the exact iteration does: within 0.7 to 1.2 after five steps."""
_RMS = 0.2
"""Root mean square of an entry of AdamW's steps, which these have too, so that one learning rate
and one weight decay serve both."""


class Muon(torch.optim.AdamW):
    """AdamW, whose steps of large matrices are those of Muon.

    With G the gradient, M ← μ M + (1 − μ) G and N = (1 − μ) G + μ M, the step of an (m, n) matrix
    is W ← (1 − η λ) W − 0.2 η √max(m, n) U Vᵀ, where U S Vᵀ is N; U Vᵀ is approached by five steps
    of a Newton-Schulz iteration. Everything else is AdamW's.

    Args:
        groups: As for AdamW.
        matrices: Which of their parameters are stepped by Muon, see :func:`matrices_of`.
        lr: Learning rate η, dimensionless.
        weight_decay: λ, dimensionless.

    References:
        Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024),
        https://kellerjordan.github.io/posts/muon. The scale of the steps: Liu et al.,
        arXiv:2502.16982 (2025), Eq. (4).
    """

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        matrices: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
    ) -> None:
        """Set up both."""
        super().__init__(
            [dict(one) for one in groups], lr=lr, weight_decay=weight_decay, fused=True
        )
        self._matrices = {id(matrix) for matrix in matrices}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make a step; not where ``found_inf``, as for AdamW, is set.

        Args:
            closure: Evaluates the loss anew; handed on to AdamW.
        """
        held: list[tuple[nn.Parameter, Tensor | None]] = []
        for group in self.param_groups:
            chosen = [
                one for one in group["params"] if id(one) in self._matrices and one.grad is not None
            ]
            self._step_matrices(chosen, group["lr"], group["weight_decay"])
            held += [(one, one.grad) for one in chosen]
        # AdamW passes over parameters without a gradient.
        for matrix, _ in held:
            matrix.grad = None
        try:
            return super().step(closure)
        finally:
            for matrix, gradient in held:
                matrix.grad = gradient

    def _step_matrices(self, matrices: Sequence[nn.Parameter], rate: float, decay: float) -> None:
        left_out = getattr(self, "found_inf", None)
        alike: dict[torch.Size, list[nn.Parameter]] = {}
        for matrix in matrices:
            alike.setdefault(matrix.shape, []).append(matrix)
        for shape, members in alike.items():
            # Matrices of one shape together: most of the time of a small one is spent around it.
            gradient = torch.stack([cast("Tensor", one.grad) for one in members])
            momentum = torch.stack([self._momentum(one) for one in members])
            moved = momentum.lerp(gradient, 1.0 - MOMENTUM)
            # Nesterov's: the gradient counts once more than in the momentum.
            direction = orthogonalised(gradient.lerp(moved, MOMENTUM))
            weights = torch.stack([one.detach() for one in members])
            stepped = weights * (1.0 - rate * decay)
            # U Vᵀ has entries with a root mean square of 1/√max(m, n), whatever the gradient was.
            stepped -= rate * _RMS * max(shape) ** 0.5 * direction
            if left_out is not None:
                skip = left_out.to(torch.bool)
                stepped = torch.where(skip, weights, stepped)
                moved = torch.where(skip, momentum, moved)
            for matrix, weight, mean in zip(members, stepped, moved, strict=True):
                matrix.copy_(weight)
                self._momentum(matrix).copy_(mean)

    def _momentum(self, matrix: nn.Parameter) -> Tensor:
        state = self.state[matrix]
        if "momentum" not in state:
            # AdamW looks for a step in every state that it loads.
            state["step"] = torch.zeros((), dtype=torch.float32, device=matrix.device)
            state["momentum"] = torch.zeros_like(matrix)
        momentum: Tensor = state["momentum"]
        return momentum


def matrices_of(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Return the matrices that Muon steps, of those that decay.

    Args:
        parameters: Weights of linear maps; what is flat or thin stays with AdamW.
    """
    return [one for one in parameters if one.dim() == 2 and min(one.shape) >= SMALLEST]


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices with the singular vectors of the given ones, and singular values near 1.

    Args:
        matrices: ``(matrices, m, n)``, in any unit.

    Returns:
        ``(matrices, m, n)``, dimensionless; zero where a matrix is zero.
    """
    # Divided by its Frobenius norm a matrix has singular values of at most 1, where the polynomial
    # converges.
    norms = torch.linalg.matrix_norm(matrices, keepdim=True)
    x: Tensor = matrices / norms.clamp(min=torch.finfo(matrices.dtype).tiny)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT  # products of the shorter side are the smaller ones
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.mT
