"""Spherical harmonics as polynomials, against those of e3nn."""

from __future__ import annotations

import torch
from e3nn import o3
from torch.nn import functional

from matsciml_core.nn.harmonics import HARMONICS, harmonics


def test_they_are_those_of_e3nn() -> None:
    generator = torch.Generator().manual_seed(3)
    directions = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    directions = functional.normalize(directions, dim=1)
    expected = o3.spherical_harmonics([0, 1, 2, 3], directions, False, "component")
    found = harmonics(directions)
    assert found.shape == (50, HARMONICS)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
