"""Radial functions under their envelope and Legendre polynomials, against exact values."""

import math

import numpy as np
import torch

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_model_cdvae import bases


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
