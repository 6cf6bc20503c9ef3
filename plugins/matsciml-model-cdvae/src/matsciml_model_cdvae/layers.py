"""Dense layers of DimeNet++ and GemNet, with the initial weights of their authors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_SILU_SCALE = 1 / 0.6
"""Factor of silu that keeps the variance of a normal input about one."""


class SiLULinear(nn.Linear):
    """A dense layer followed by silu."""

    def forward(self, values: Tensor) -> Tensor:
        """Return silu(W x + b).

        Args:
            values: ``(..., in)``, dimensionless.
        """
        return functional.silu(super().forward(values))


class Residual(nn.Module):
    """x + silu(W silu(W' x + b') + b), as DimeNet++ has it."""

    def __init__(self, width: int) -> None:
        """Build two layers."""
        super().__init__()
        self.first, self.second = SiLULinear(width, width), SiLULinear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """Return the sum.

        Args:
            values: ``(..., width)``, dimensionless.
        """
        summed: Tensor = values + self.second(self.first(values))
        return summed


class ScaledDense(nn.Linear):
    """A dense layer without bias, followed by silu/0.6; GemNet's D."""

    def __init__(self, width_in: int, width_out: int) -> None:
        """Build the layer with GemNet's initial weights."""
        super().__init__(width_in, width_out, bias=False)

    def reset_parameters(self) -> None:
        """Set semi-orthogonal rows."""
        standardised_orthogonal_(self.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Return silu(W x)/0.6.

        Args:
            values: ``(..., in)``, dimensionless.
        """
        return functional.silu(super().forward(values)) * _SILU_SCALE


class Projection(nn.Linear):
    """A dense layer without bias and activation; GemNet's L."""

    def __init__(self, width_in: int, width_out: int) -> None:
        """Build the layer with GemNet's initial weights."""
        super().__init__(width_in, width_out, bias=False)

    def reset_parameters(self) -> None:
        """Set semi-orthogonal rows."""
        standardised_orthogonal_(self.weight)


class ScaledResidual(nn.Module):
    """(x + D(D(x)))/√2, as GemNet has it."""

    def __init__(self, width: int) -> None:
        """Build two layers."""
        super().__init__()
        self.first, self.second = ScaledDense(width, width), ScaledDense(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """Return the scaled sum.

        Args:
            values: ``(..., width)``, dimensionless.
        """
        return halve(values + self.second(self.first(values)))


def halve(summed: Tensor) -> Tensor:
    """Return the sum of two independent values with the variance of one.

    Args:
        summed: Their sum, ``(..., width)``, dimensionless.
    """
    return summed * math.sqrt(0.5)


def residuals(kind: type[nn.Module], width: int, count: int) -> nn.Sequential:
    """Return several residual layers, one after the other."""
    return nn.Sequential(*(kind(width) for _ in range(count)))


@torch.no_grad()
def standardised_orthogonal_(weight: Tensor) -> None:
    """Fill a matrix with semi-orthogonal rows of mean 0 and variance 1/fan-in.

    Args:
        weight: ``(out, in)``, or ``(in, basis, out)`` for a bilinear form; dimensionless.

    References:
        The initial weights of GemNet (Gasteiger, Becker, Günnemann, NeurIPS 2021).
    """
    nn.init.orthogonal_(weight)
    bilinear = weight.dim() == 3
    axes = [0, 1] if bilinear else [1]
    fan_in = math.prod(weight.shape[:-1]) if bilinear else weight.shape[1]
    variance, mean = torch.var_mean(weight, dim=axes, keepdim=True)
    variance = variance.nan_to_num(1.0)  # of a single number it is undefined
    weight.sub_(mean if fan_in > 1 else 0.0).div_((variance + 1e-6).sqrt()).mul_(fan_in**-0.5)


@torch.no_grad()
def glorot_orthogonal_(weight: Tensor, scale: float = 2.0) -> None:
    """Fill a matrix with semi-orthogonal rows of Glorot's variance, scale/(fan-in + fan-out).

    Args:
        weight: ``(out, in)``, dimensionless.
        scale: Numerator of the variance.

    References:
        The initial weights of DimeNet (Gasteiger, Groß, Günnemann, ICLR 2020).
    """
    nn.init.orthogonal_(weight)
    variance = scale / (weight.shape[-2] + weight.shape[-1])
    weight.mul_(torch.sqrt(variance / weight.var().clamp(min=1e-12)))
