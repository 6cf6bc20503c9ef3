"""Radial bases: their formulas, normalisation, and end at the cutoff."""

from __future__ import annotations

import math

import pytest
import torch

from matsciml_core.nn.radial import BesselBasis, gaussian_basis

CUTOFF = 4.5


@pytest.fixture
def basis() -> BesselBasis:
    return BesselBasis(CUTOFF, 8, 6, normalise=True).double()


def test_bessel_functions_under_the_envelope(basis: BesselBasis) -> None:
    r = torch.tensor([0.7, 2.0, 4.0], dtype=torch.float64)
    x = r / CUTOFF
    frequencies = torch.arange(1, 9, dtype=torch.float64) * math.pi
    bessel = torch.sin(frequencies * x[:, None]) / x[:, None]
    by_hand = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
    expected = basis.scale * bessel * by_hand[:, None]
    # The frequencies were made in float32.
    torch.testing.assert_close(basis(r), expected, rtol=1e-6, atol=1e-6)


def test_the_mean_square_over_the_sphere_is_one(basis: BesselBasis) -> None:
    x = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    mean_square = (3 * x[:, None] ** 2 * basis(CUTOFF * x) ** 2).mean(0).tolist()
    # sin² is one half on average only once it has oscillated a few times under the envelope.
    assert mean_square[2:] == pytest.approx([1.0] * 6, abs=0.05)
    assert mean_square[:2] == pytest.approx([1.0] * 2, abs=0.15)


def test_the_scale_does_not_depend_on_the_cutoff(basis: BesselBasis) -> None:
    wide = BesselBasis(2 * CUTOFF, 8, 6, normalise=True).double()
    r = torch.tensor([1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(wide(2 * r), basis(r), rtol=1e-12, atol=1e-12)


def test_nothing_beyond_the_cutoff(basis: BesselBasis) -> None:
    r = torch.tensor([CUTOFF, CUTOFF + 0.1, 3 * CUTOFF], dtype=torch.float64)
    assert basis(r).abs().max() < 1e-12


def test_without_normalisation_the_factor_is_one(basis: BesselBasis) -> None:
    plain = BesselBasis(CUTOFF, 8, 6).double()
    r = torch.tensor([1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(basis.scale * plain(r), basis(r))


def test_gaussians_stand_on_even_centres_and_are_as_wide_as_these_are_apart() -> None:
    x = torch.tensor([[0.1, 0.4], [0.9, 1.0]], dtype=torch.float64)
    centres = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    expected = torch.exp(-((x[..., None] - centres) ** 2) / (2 * 0.25**2))
    torch.testing.assert_close(gaussian_basis(x, 5), expected)


@pytest.mark.parametrize("count", [16, 40, 128])
def test_products_with_distant_gaussians_are_normal_numbers(count: int) -> None:
    """Some processors multiply subnormal ones a hundred times as slowly."""
    x = torch.linspace(0, 1, 1001, requires_grad=True)
    basis = gaussian_basis(x, count)
    assert basis.min() > 1e10 * torch.finfo(torch.float32).tiny
    (slope,) = torch.autograd.grad(basis.sum(), x)
    assert slope.isfinite().all()
