"""Bessel functions, envelopes and Legendre polynomials, against exact values."""

import math

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_model_cdvae import bases
from matsciml_model_cdvae.bessel import bessel_zeros, spherical_bessel

Z = np.concatenate(([0.0, 1e-6, 1e-3], np.linspace(0.05, 30.0, 200)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_spherical_bessel_keeps_its_digits(dtype, tolerance):
    """Relative to the size of j_l nearby, also where closed forms have none left."""
    rows = torch.from_numpy(np.tile(Z, (9, 1))).to(dtype)
    found = spherical_bessel(9, rows).double().numpy()
    for degree in range(9):
        expected = spherical_jn(degree, rows[degree].double().numpy())
        size = np.maximum(np.abs(expected), 1e-3 / np.maximum(Z, 1.0))
        assert np.abs(found[degree] - expected).max() < tolerance
        small = degree > Z
        error = np.abs(found[degree] - expected)[small] / np.maximum(np.abs(expected[small]), 1e-30)
        assert np.all((error < 100 * tolerance) | (size[small] < 1e-30))


def test_zeros_are_zeros_and_none_is_missed():
    zeros = bessel_zeros(9, 6)
    for degree, row in enumerate(zeros):
        assert np.abs(spherical_jn(degree, row)).max() < 1e-14
        grid = np.linspace(1e-3 + degree, row[-1] + 0.1, 4000)
        changes = (np.diff(np.sign(spherical_jn(degree, grid))) != 0).sum()
        assert changes == 6


def test_the_spherical_basis_is_orthonormal_without_its_envelope():
    basis = bases.SphericalRadialBasis(4, 3, 1.0, 6)
    x = torch.linspace(1e-4, 1 - 1e-4, 4001, dtype=torch.float64)
    values = basis(x) / (polynomial_envelope(x, 6) / x).view(-1, 1, 1)
    for degree in range(4):
        rows = values[:, degree] * x.unsqueeze(1)
        gram = (rows.T @ rows) * (x[1] - x[0])
        torch.testing.assert_close(gram, torch.eye(3, dtype=x.dtype), rtol=0, atol=1e-3)


def test_legendre_polynomials_are_orthonormal_on_the_sphere():
    nodes, weights = np.polynomial.legendre.leggauss(20)
    values = bases.legendre(7, torch.from_numpy(nodes)).numpy()
    gram = 2 * math.pi * (values * weights) @ values.T
    np.testing.assert_allclose(gram, np.eye(7), atol=1e-12)
