"""Bases of distances and angles: spherical Bessel, Gaussian and Legendre functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.radial import gaussian_basis
from matsciml_core.nn.spherical_bessel import bessel_zeros, spherical_bessel


def legendre(degrees: int, cosines: Tensor) -> Tensor:
    """Return Y_l0 = √((2l + 1)/4π) P_l(cos θ) for l = 0 … degrees − 1.

    Args:
        degrees: Number of l.
        cosines: Of any shape, ``(..., n)``, dimensionless.

    Returns:
        ``(degrees, ..., n)``.

    References:
        NIST Digital Library of Mathematical Functions, 18.9.1 with table 18.9.1 (recursion).
    """
    # By recursion and not through angles, whose gradient is infinite for two parallel edges.
    before, here = torch.zeros_like(cosines), torch.ones_like(cosines)
    values = []
    for degree in range(degrees):
        values.append(math.sqrt((2 * degree + 1) / (4 * math.pi)) * here)
        step = ((2 * degree + 1) * cosines * here - degree * before) / (degree + 1)
        before, here = here, step
    return torch.stack(values)


class SphericalRadialBasis(nn.Module):
    """R_ln(d) = f(x)/x √2/|j_{l+1}(z_ln)| j_l(z_ln x), x = d/c, z_ln the zeros of j_l.

    Times :func:`legendre` this is the basis of DimeNet for a distance and an angle.

    Args:
        degrees: Number of l.
        count: Number of n.
        cutoff: c, Å.
        power: Of the envelope f.
    """

    zeros: Tensor
    norms: Tensor

    def __init__(self, degrees: int, count: int, cutoff: float, power: int) -> None:
        """Find the zeros."""
        super().__init__()
        self.degrees, self.cutoff, self.power = degrees, cutoff, power
        zeros = torch.from_numpy(bessel_zeros(degrees, count))
        # Row l + 1 is evaluated at the zeros of degree l; row 0 is not used.
        above = spherical_bessel(degrees + 1, torch.cat((torch.ones_like(zeros[:1]), zeros)))[1:]
        self.register_buffer("zeros", zeros, persistent=False)
        self.register_buffer("norms", math.sqrt(2.0) / above.abs(), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Return the basis functions, ``(edges, degrees, count)``.

        Args:
            distances: ``(edges,)``, Å.
        """
        x = distances / self.cutoff
        zeros, norms = self.zeros.to(x.dtype), self.norms.to(x.dtype)
        values = spherical_bessel(self.degrees, zeros.unsqueeze(1) * x.view(1, -1, 1))
        scaled = values * norms.unsqueeze(1)  # (degrees, edges, count)
        envelope = polynomial_envelope(x, self.power) / x
        return scaled.transpose(0, 1) * envelope.view(-1, 1, 1)


class GaussianBasis(nn.Module):
    """r_k(d) = f(x) exp(−((x − μ_k)/Δ)²/2), x = d/radius, μ_k equally spaced from 0 to 1 by Δ.

    The envelope f has the power 5.

    Args:
        count: Number of functions.
        radius: Å.
    """

    def __init__(self, count: int, radius: float) -> None:
        """Keep the constants."""
        super().__init__()
        self.count, self.radius = count, radius

    def forward(self, distances: Tensor) -> Tensor:
        """Return the basis functions, ``(edges, count)``.

        Args:
            distances: ``(edges,)``, Å.
        """
        x = distances / self.radius
        return polynomial_envelope(x, 5).unsqueeze(1) * gaussian_basis(x, self.count)
