"""Radial bases: distances expanded in smooth functions, so that a linear layer can read them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_core.nn.envelopes import polynomial_envelope

_STEPS = 10_000
"""Points of the numerical integral that normalises a basis; its error is below 10⁻⁷."""
_FAR = 11.0
"""Widths from its centre at which a Gaussian stops falling."""


def gaussian_basis(fraction: Tensor, count: int) -> Tensor:
    """Return exp(−((n−1) x − k)²/2), k = 0 … n−1: Gaussians on even centres from 0 to 1.

    Each is as wide as the centres are apart, so that neighbours overlap at 0.61 and a sum of them
    is nearly flat.

    Args:
        fraction: x, distance by cutoff, ``(edges, ...)``, dimensionless.
        count: n, at least 2.

    Returns:
        ``(*shape, n)``, dimensionless.
    """
    index = torch.arange(count, dtype=fraction.dtype, device=fraction.device)
    steps = fraction.unsqueeze(-1) * (count - 1) - index
    # Beyond 13 widths float32 has subnormal numbers only, with which processors of Intel multiply
    # many times as slowly. At 11 widths 10⁻²⁶ is left, so that products stay normal, too.
    return torch.exp(-0.5 * steps.clamp(-_FAR, _FAR).square())


class BesselBasis(nn.Module):
    """c f(x) sin(w_b x)/x, x = r/r_c, with an envelope f and frequencies w_b that are learnt.

    The frequencies start at b π, b = 1 … n, those of a free particle in a sphere.

    References:
        Gasteiger, Groß, Günnemann, ICLR (2020), arXiv:2003.03123, Eqs. (7) and (8).
    """

    def __init__(self, cutoff: float, count: int, power: int, *, normalise: bool = False) -> None:
        """Build the basis.

        Args:
            cutoff: r_c, Å.
            count: n.
            power: p of :func:`~matsciml_core.nn.envelopes.polynomial_envelope`.
            normalise: Whether c makes the mean square of a function one for neighbours that are
                spread evenly over the sphere, at any cutoff; otherwise c = 1.
        """
        super().__init__()
        self.cutoff = cutoff
        self.power = power
        self.scale = _scale(power) if normalise else 1.0
        self.frequencies = nn.Parameter(math.pi * torch.arange(1.0, count + 1))

    def forward(self, distances: Tensor) -> Tensor:
        """Expand distances.

        Args:
            distances: ``(edges,)``, Å, positive; the basis is zero from the cutoff on.

        Returns:
            ``(edges, n)``, dimensionless.
        """
        fraction = (distances / self.cutoff).unsqueeze(1)  # (edges, 1)
        amplitude = self.scale * polynomial_envelope(fraction, self.power) / fraction
        return amplitude * torch.sin(fraction * self.frequencies)


def _scale(power: int) -> float:
    """Return the c that makes the mean square one.

    The mean over the sphere is ∫ 3 x² (c sin(b π x) f(x) / x)² dx; sin² is one half on average.
    """
    x = (torch.arange(_STEPS, dtype=torch.float64) + 0.5) / _STEPS
    mean_square = 1.5 * polynomial_envelope(x, power).square().mean().item()
    return 1 / math.sqrt(mean_square)
