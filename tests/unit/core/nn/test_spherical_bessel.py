"""Spherical Bessel functions and their zeros, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from matsciml_core.nn.spherical_bessel import bessel_zeros, spherical_bessel

Z = np.concatenate(([0.0, 1e-6, 1e-3], np.linspace(0.05, 30.0, 200)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_spherical_bessel_keeps_its_digits(dtype: torch.dtype, tolerance: float) -> None:
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


def test_zeros_are_zeros_and_none_is_missed() -> None:
    zeros = bessel_zeros(9, 6)
    for degree, row in enumerate(zeros):
        assert np.abs(spherical_jn(degree, row)).max() < 1e-14
        grid = np.linspace(1e-3 + degree, row[-1] + 0.1, 4000)
        changes = (np.diff(np.sign(spherical_jn(degree, grid))) != 0).sum()
        assert changes == 6
