"""The envelope: the polynomials of the papers, and a smooth end."""

from __future__ import annotations

import pytest
import torch

from matsciml_core.nn.envelopes import polynomial_envelope, whole_power


@pytest.mark.parametrize(
    ("power", "coefficients"),
    [(3, (10, -15, 6)), (5, (21, -35, 15)), (6, (28, -48, 21))],
)
def test_it_is_the_published_polynomial(power: int, coefficients: tuple[int, ...]) -> None:
    x = torch.linspace(0.0, 1.0, 50, dtype=torch.float64)
    expected = 1.0 - sum(c * x ** (power + k) for k, c in enumerate(coefficients))
    torch.testing.assert_close(polynomial_envelope(x, power), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("power", [2, 3, 5, 6, 9])
def test_it_ends_with_two_derivatives(power: int) -> None:
    x = torch.tensor([1e-9, 1 - 1e-9, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    value = polynomial_envelope(x, power)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert value[0].item() == pytest.approx(1.0)
    for derivative in (value, slope, curvature):
        assert derivative[1:].tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    # The third derivative is the first that jumps, so the end is flat to second order.
    near = torch.tensor([1.0 - 1e-4], dtype=torch.float64)
    assert polynomial_envelope(near, power).abs().item() < power**3 * 1e-4**3


def test_it_is_zero_beyond_the_cutoff() -> None:
    assert polynomial_envelope(torch.tensor([1.0, 1.1, 50.0]), 6).tolist() == [0.0] * 3


@pytest.mark.parametrize("exponent", [1, 2, 3, 7, 12])
def test_whole_powers(exponent: int) -> None:
    x = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)
    torch.testing.assert_close(whole_power(x, exponent), x**exponent)


def test_the_power_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        whole_power(torch.ones(1), 0)
