"""Real spherical harmonics of directions, as polynomials."""

from __future__ import annotations

import math

import torch
from torch import Tensor

HARMONICS = 16
"""Their number up to the degree 3."""


def harmonics(directions: Tensor) -> Tensor:
    """Return the real spherical harmonics up to the degree 3 with a mean square of 1.

    In the order of e3nn, for which y is the polar axis.

    Args:
        directions: Unit vectors, ``(edges, 3)``, dimensionless.

    Returns:
        ``(edges, 16)``, degree after degree.
    """
    x, y, z = directions.unbind(1)
    around = x * x + z * z
    first = [math.sqrt(3.0) * one for one in (x, y, z)]
    second = [
        math.sqrt(15.0) * x * z,
        math.sqrt(15.0) * x * y,
        math.sqrt(5.0) * (y * y - around / 2.0),
        math.sqrt(15.0) * y * z,
        math.sqrt(15.0) / 2.0 * (z * z - x * x),
    ]
    third = [
        math.sqrt(35.0 / 8.0) * x * (3.0 * z * z - x * x),
        math.sqrt(105.0) * x * y * z,
        math.sqrt(21.0 / 8.0) * x * (4.0 * y * y - around),
        math.sqrt(7.0) / 2.0 * y * (2.0 * y * y - 3.0 * around),
        math.sqrt(21.0 / 8.0) * z * (4.0 * y * y - around),
        math.sqrt(105.0) / 2.0 * y * (z * z - x * x),
        math.sqrt(35.0 / 8.0) * z * (z * z - 3.0 * x * x),
    ]
    return torch.stack([torch.ones_like(x), *first, *second, *third], dim=1)
