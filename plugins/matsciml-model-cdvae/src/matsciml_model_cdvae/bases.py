"""Functions of distances and angles that the networks read: radial bases, envelopes, Legendre."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_model_cdvae.bessel import bessel_zeros, spherical_bessel


def inverse_envelope(x: Tensor, exponent: int = 5) -> Tensor:
    """Return u(x) = 1/x − a x^(p−1) + b x^p − c x^(p+1), which falls smoothly to zero at x = 1.

    Args:
        x: Distances in units of the cutoff, positive, dimensionless.
        exponent: p − 1.

    Returns:
        Same shape; zero beyond 1.

    References:
        Gasteiger, Groß, Günnemann, ICLR 2020, Eq. (8), divided by x.
    """
    p = exponent + 1
    a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    value = 1.0 / x - a * x ** (p - 1) + b * x**p - c * x ** (p + 1)
    return torch.where(x < 1.0, value, 0.0)


def envelope(x: Tensor) -> Tensor:
    """Return c(x) = 1 − 21 x⁵ + 35 x⁶ − 15 x⁷, which falls smoothly from 1 to zero at x = 1.

    Args:
        x: Distances in units of the cutoff, dimensionless.

    Returns:
        Same shape; zero beyond 1.

    References:
        Gasteiger, Groß, Günnemann, ICLR 2020, Eq. (8) with p = 5.
    """
    value = 1.0 + x**5 * (-21.0 + x * (35.0 - 15.0 * x))
    return torch.where(x < 1.0, value, 0.0)


def legendre(degrees: int, cosines: Tensor) -> Tensor:
    """Return Y_l0 = √((2l + 1)/4π) P_l(cos θ) for l = 0 … degrees − 1.

    Args:
        degrees: How many.
        cosines: ``(...)``, dimensionless.

    Returns:
        ``(degrees, ...)``.
    """
    before, here = torch.zeros_like(cosines), torch.ones_like(cosines)
    values = []
    for degree in range(degrees):
        values.append(math.sqrt((2 * degree + 1) / (4 * math.pi)) * here)
        step = ((2 * degree + 1) * cosines * here - degree * before) / (degree + 1)
        before, here = here, step
    return torch.stack(values)


class BesselBasis(nn.Module):
    """e_n(d) = u(d/c) sin(w_n d/c), with frequencies w_n that start at n π and are learnt.

    Args:
        count: Number of functions.
        cutoff: c, Å.
        exponent: Of the envelope.
    """

    def __init__(self, count: int, cutoff: float, exponent: int) -> None:
        """Start with the frequencies of a free particle in a sphere."""
        super().__init__()
        self.cutoff, self.exponent = cutoff, exponent
        self.frequencies = nn.Parameter(torch.arange(1, count + 1) * math.pi)

    def forward(self, distances: Tensor) -> Tensor:
        """Return ``(edges, count)`` for distances ``(edges,)`` in Å."""
        x = (distances / self.cutoff).unsqueeze(1)
        return inverse_envelope(x, self.exponent) * torch.sin(self.frequencies * x)


class SphericalRadialBasis(nn.Module):
    """R_ln(d) = u(x) √2/|j_{l+1}(z_ln)| j_l(z_ln x), x = d/c, z_ln the zeros of j_l.

    Times :func:`legendre` this is the basis of DimeNet for a distance and an angle.

    Args:
        degrees: Number of l.
        count: Number of n.
        cutoff: c, Å.
        exponent: Of the envelope.
    """

    zeros: Tensor
    norms: Tensor

    def __init__(self, degrees: int, count: int, cutoff: float, exponent: int) -> None:
        """Find the zeros."""
        super().__init__()
        self.degrees, self.cutoff, self.exponent = degrees, cutoff, exponent
        zeros = torch.from_numpy(bessel_zeros(degrees, count))
        above = spherical_bessel(degrees + 1, _shifted(zeros))[1:]
        self.register_buffer("zeros", zeros, persistent=False)
        self.register_buffer("norms", math.sqrt(2.0) / above.abs(), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Return ``(edges, degrees, count)`` for distances ``(edges,)`` in Å."""
        x = distances / self.cutoff
        zeros, norms = self.zeros.to(x.dtype), self.norms.to(x.dtype)
        values = spherical_bessel(self.degrees, zeros.unsqueeze(1) * x.view(1, -1, 1))
        scaled = values * norms.unsqueeze(1)  # (degrees, edges, count)
        return scaled.transpose(0, 1) * inverse_envelope(x, self.exponent).view(-1, 1, 1)


def _shifted(zeros: Tensor) -> Tensor:
    """Return the zeros of degree l in row l + 1, where j_{l+1} is evaluated; row 0 is not used."""
    return torch.cat((torch.ones_like(zeros[:1]), zeros))


class GaussianBasis(nn.Module):
    """r_k(d) = c(x) exp(−((x − μ_k)/Δ)²/2), x = d/radius, μ_k equally spaced from 0 to 1 by Δ.

    Args:
        count: Number of functions.
        radius: Å.
    """

    centres: Tensor

    def __init__(self, count: int, radius: float) -> None:
        """Place the centres."""
        super().__init__()
        self.radius = radius
        centres = torch.linspace(0.0, 1.0, count, dtype=torch.float64)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Return ``(edges, count)`` for distances ``(edges,)`` in Å."""
        x = (distances / self.radius).unsqueeze(1)
        steps = (x - self.centres.to(x.dtype)) * (self.centres.shape[0] - 1)
        return envelope(x) * torch.exp(-0.5 * steps.square())
