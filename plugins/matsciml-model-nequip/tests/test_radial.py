"""The radial basis: its formula, its normalisation, and its end at the cutoff."""

import math

import pytest
import torch

from matsciml_model_nequip.radial import RadialBasis, envelope

CUTOFF = 4.5


@pytest.fixture
def basis() -> RadialBasis:
    return RadialBasis(CUTOFF, 8, 6).double()


def test_bessel_functions_under_the_envelope(basis):
    r = torch.tensor([0.7, 2.0, 4.0], dtype=torch.float64)
    x = r / CUTOFF
    frequencies = torch.arange(1, 9, dtype=torch.float64) * math.pi
    bessel = torch.sin(frequencies * x[:, None]) / x[:, None]
    by_hand = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
    expected = basis.scale * bessel * by_hand[:, None]
    # The frequencies were made in float32.
    torch.testing.assert_close(basis(r), expected, rtol=1e-6, atol=1e-6)


def test_the_mean_square_over_the_sphere_is_one(basis):
    x = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    mean_square = (3 * x[:, None] ** 2 * basis(CUTOFF * x) ** 2).mean(0).tolist()
    # sin² is one half on average only once it has oscillated a few times under the envelope.
    assert mean_square[2:] == pytest.approx([1.0] * 6, abs=0.05)
    assert mean_square[:2] == pytest.approx([1.0] * 2, abs=0.15)


def test_the_scale_does_not_depend_on_the_cutoff(basis):
    wide = RadialBasis(2 * CUTOFF, 8, 6).double()
    r = torch.tensor([1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(wide(2 * r), basis(r), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("power", [2, 6, 9])
def test_the_envelope_ends_with_two_derivatives(power):
    x = torch.tensor([1e-9, 1 - 1e-9, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    value = envelope(x, power)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert value[0].item() == pytest.approx(1.0)
    for derivative in (value, first, second):
        assert derivative[1:].tolist() == pytest.approx([0.0] * 3, abs=1e-5)


def test_nothing_beyond_the_cutoff(basis):
    r = torch.tensor([CUTOFF, CUTOFF + 0.1, 3 * CUTOFF], dtype=torch.float64)
    assert basis(r).abs().max() < 1e-12
