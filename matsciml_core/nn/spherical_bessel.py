"""Spherical Bessel functions: their zeros, and values that keep their digits near the origin."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SERIES_TERMS = 18
"""Terms of the power series; below z = l + 1, l ≤ 9, the rest is under 1e-16 of the first term."""


def spherical_bessel(degrees: int, z: Tensor) -> Tensor:
    """Return j_l(z) for l = 0 … degrees − 1.

    The closed forms, and the recursion upwards, lose digits to cancellation where z < l: at
    l = 6 and z = 0.5 nothing is left in float32. There the power series is summed instead.

    Args:
        degrees: Number of l.
        z: ``(degrees, ...)``, at least 0, dimensionless; a row for each degree.

    Returns:
        ``(degrees, ...)``.

    References:
        NIST Digital Library of Mathematical Functions, 10.51.1 (recursion) and 10.53.1 (series).
    """
    values = []
    for degree, row in enumerate(z.unbind(0)):
        far = row > degree + 1
        # Each branch gets a harmless number where the other holds, or its gradient would be NaN.
        upward = _upward(degree, torch.where(far, row, float(degree + 2)))
        values.append(torch.where(far, upward, _series(degree, torch.where(far, 1.0, row))))
    return torch.stack(values)


def _upward(degree: int, z: Tensor) -> Tensor:
    """Return j_l by j_{k+1} = (2k + 1)/z j_k − j_{k−1}."""
    before, here = torch.cos(z) / z, torch.sin(z) / z
    for k in range(degree):
        before, here = here, (2 * k + 1) / z * here - before
    return here


def _series(degree: int, z: Tensor) -> Tensor:
    """Return z^l/(2l + 1)!! Σ_k (−z²/2)^k / (k! (2l + 3)(2l + 5)…(2l + 2k + 1))."""
    half, total = -0.5 * z.square(), torch.ones_like(z)
    for k in range(_SERIES_TERMS, 0, -1):
        total = 1.0 + half / (k * (2 * degree + 2 * k + 1)) * total
    return z**degree / math.prod(range(1, 2 * degree + 2, 2)) * total


@cache
def bessel_zeros(degrees: int, count: int) -> NDArray[np.float64]:
    """Return the first zeros of j_l, l = 0 … degrees − 1.

    The zeros of j_l separate those of j_{l+1}, which are therefore found by bisection.

    Args:
        degrees: Number of l.
        count: Number of zeros of each.

    Returns:
        ``(degrees, count)``, exact to rounding.
    """
    zeros: NDArray[np.float64] = np.arange(1.0, count + degrees) * np.pi  # of j_0
    rows = [zeros[:count]]
    for degree in range(1, degrees):
        low, high = zeros[:-1].copy(), zeros[1:].copy()
        sign = np.sign(_numeric(degree, low))
        for _ in range(60):  # halves an interval of about π to less than its rounding
            middle = 0.5 * (low + high)
            same = np.sign(_numeric(degree, middle)) == sign
            low[same], high[~same] = middle[same], middle[~same]
        zeros = 0.5 * (low + high)
        rows.append(zeros[:count])
    return np.array(rows)


def _numeric(degree: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
    return _upward(degree, torch.from_numpy(z)).numpy()
