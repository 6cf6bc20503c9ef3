"""Bessel functions of a distance under an envelope that ends smoothly at the cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_STEPS = 10_000


class RadialBasis(nn.Module):
    """Bessel functions times a polynomial envelope.

    B_b(r) = c sin(b π r / r_c) / r · f(r / r_c), b = 1 … N. The paper has c = 2 / r_c; here c is
    the number that makes the mean square of B_b one for neighbours spread evenly over the sphere,
    so that the network behind it sees numbers of order one at every cutoff. The frequencies b π
    are the start of learnt parameters.

    References:
        Batzner et al., Nat. Commun. 13, 2453 (2022), doi:10.1038/s41467-022-29939-5, Methods,
        where both functions are taken from Gasteiger, Groß and Günnemann, Directional Message
        Passing for Molecular Graphs, ICLR (2020), arXiv:2003.03123, Eqs. (7) and (8).
    """

    def __init__(self, cutoff: float, num_functions: int, power: int) -> None:
        """Build the basis.

        Args:
            cutoff: r_c, Å.
            num_functions: How many functions.
            power: p of the envelope.
        """
        super().__init__()
        self.cutoff = cutoff
        self.power = power
        self.scale = _scale(power)
        self.frequencies = nn.Parameter(math.pi * torch.arange(1.0, num_functions + 1))

    def forward(self, distances: Tensor) -> Tensor:
        """Expand distances.

        Args:
            distances: ``(edges,)``, Å, positive; the basis is zero from the cutoff on.

        Returns:
            ``(edges, functions)``, dimensionless.
        """
        fraction = (distances / self.cutoff).unsqueeze(1)  # (edges, 1)
        amplitude = self.scale * envelope(fraction, self.power) / fraction
        return amplitude * torch.sin(fraction * self.frequencies)


def envelope(fraction: Tensor, power: int) -> Tensor:
    """Return a polynomial that falls from 1 at 0 to 0 at 1, and stays there.

    f(x) = 1 − (p+1)(p+2)/2 xᵖ + p(p+2) xᵖ⁺¹ − p(p+1)/2 xᵖ⁺²; at x = 1 its first and second
    derivatives vanish too, so that forces and their derivatives are continuous.

    Args:
        fraction: x, distance by cutoff, any shape, dimensionless.
        power: p.

    Returns:
        The shape of ``fraction``.
    """
    p, x = power, fraction.clamp(max=1.0)
    bracket = (p + 1) * (p + 2) / 2 - x * (p * (p + 2) - x * (p * (p + 1) / 2))
    return 1 - x**p * bracket


def _scale(power: int) -> float:
    """Return the factor before sin(b π x) f(x) / x that makes the mean square one.

    The mean over the sphere is ∫ 3 x² (c sin(b π x) f(x) / x)² dx; sin² is one half on average.
    """
    x = (torch.arange(_STEPS, dtype=torch.float64) + 0.5) / _STEPS
    mean_square = 1.5 * envelope(x, power).square().mean().item()
    return 1 / math.sqrt(mean_square)
