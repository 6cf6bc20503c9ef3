"""Dense networks of GALA and their normalisations, none of which has parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

LayerNorm = Literal["layer", "layer_detached", "none"]

_MOMENTUM = 0.99
_SMALLEST = 1e-7
_SMALLEST_VARIANCE = 1e-6
_FLOOR = 1e-12


def layer_normalise(x: Tensor, kind: LayerNorm) -> Tensor:
    """Take away the mean of the last axis and divide by its deviation (n − 1 in the variance).

    ``layer`` differs from ``layer_detached`` in two ways: the mean and the deviation take part in
    the gradient, so that the gradient is that of the function; and variances are kept from zero
    by 1e-12 added rather than by a bound of 1e-6. Above that bound both give the same numbers.

    Args:
        x: ``(..., n)``, dimensionless.
        kind: ``layer``, ``layer_detached`` or ``none``.

    Returns:
        ``(..., n)``, dimensionless.
    """
    if kind == "none":
        return x
    width = x.shape[-1]
    if kind == "layer":
        # torch divides by n; the weight makes up for it.
        weight = x.new_full((width,), math.sqrt((width - 1) / width))
        return functional.layer_norm(x, (width,), weight, eps=_FLOOR)
    # Detached, as in the reference program: its published numbers were trained so.
    variance, mean = torch.var_mean(x.detach(), dim=-1, keepdim=True)
    return (x - mean) * torch.rsqrt(variance.clamp(min=_SMALLEST_VARIANCE))


class MomentumNorm(nn.Module):
    """Divides by a running deviation, after taking away a running mean, feature by feature.

    In training mode the running numbers are updated before they are used. They are constants in
    the gradient.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        """Start with mean 0 and deviation 1.

        Args:
            width: Number of features.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def observe(self, mean: Tensor, deviation: Tensor) -> None:
        """Update the running numbers with those of a batch.

        Args:
            mean: ``(width,)``, in the unit of the features.
            deviation: ``(width,)``, in the unit of the features.
        """
        self.mean.lerp_(mean.to(self.mean), 1 - _MOMENTUM)
        self.deviation.lerp_(deviation.to(self.deviation), 1 - _MOMENTUM)

    @property
    def divisor(self) -> Tensor:
        """What features are divided by, ``(width,)``."""
        return self.deviation.clamp(min=_SMALLEST)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; nothing is updated here.

        Args:
            x: ``(..., width)``, in the unit of the features.
        """
        return (x - self.mean.to(x.dtype)) / self.divisor.to(x.dtype)


class MomentumLayerNorm(nn.Module):
    """Divides multivectors by one running average of their size, so that they turn as before."""

    norm: Tensor

    def __init__(self) -> None:
        """Start with size 1."""
        super().__init__()
        self.register_buffer("norm", torch.ones(1))

    @torch.no_grad()
    def observe(self, size: Tensor) -> None:
        """Update the running average with that of a batch.

        Args:
            size: A scalar, in the unit of the multivectors.
        """
        self.norm.lerp_(size.to(self.norm).view(1), 1 - _MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; nothing is updated here.

        Args:
            x: ``(..., 8)``, in the unit of the multivectors.
        """
        return x / self.norm.clamp(min=_SMALLEST).to(x.dtype)


@torch.no_grad()
def weighted_statistics(
    parts: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (biased) over the rows of several tensors.

    Args:
        parts: ``(..., n)`` each, in one unit.
        weights: How often each row counts, broadcastable to ``(..., 1)``, dimensionless.

    Returns:
        Mean and deviation, ``(n,)`` each.
    """
    spread = [w.to(x.dtype).expand(*x.shape[:-1], 1) for x, w in zip(parts, weights, strict=True)]
    rows = [(x.flatten(0, -2), w.flatten(0, -2)) for x, w in zip(parts, spread, strict=True)]
    total = torch.stack([w.sum() for _, w in rows]).sum().clamp(min=1e-30)
    mean = torch.stack([(x * w).sum(0) for x, w in rows]).sum(0) / total
    squares = [((x - mean).square() * w).sum(0) for x, w in rows]
    return mean, (torch.stack(squares).sum(0) / total).sqrt()


class DenseNetwork(nn.Module):
    """Dense layer, normalisation, SiLU, dense layer."""

    def __init__(
        self, input_width: int, hidden_width: int, output_width: int, norm: LayerNorm
    ) -> None:
        """Build the layers.

        Args:
            input_width: Width of the input.
            hidden_width: Width between the layers.
            output_width: Width of the output.
            norm: Normalisation between the layers.
        """
        super().__init__()
        self.first = nn.Linear(input_width, hidden_width)
        self.last = nn.Linear(hidden_width, output_width)
        self.norm = norm

    def activate(self, x: Tensor) -> Tensor:
        """Apply what stands between the dense layers.

        Args:
            x: ``(..., hidden_width)``, dimensionless.
        """
        return functional.silu(layer_normalise(x, self.norm))

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers.

        Args:
            x: ``(..., input_width)``, dimensionless.

        Returns:
            ``(..., output_width)``.
        """
        y: Tensor = self.last(self.activate(self.first(x)))
        return y
