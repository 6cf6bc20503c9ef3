"""Cells have the lattice parameters that they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.convert import cell_from_parameters
from matsciml_core.errors import GeometryError


@pytest.mark.parametrize("angles", [(90, 90, 90), (90, 90, 120), (60, 60, 60), (75, 100, 115)])
def test_lengths_and_angles_are_those_asked_for(angles):
    lengths = np.array([3.0, 4.5, 7.25])
    cell = cell_from_parameters(lengths, angles)
    np.testing.assert_allclose(np.linalg.norm(cell, axis=1), lengths, rtol=1e-14)
    unit = cell / lengths[:, None]
    cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
    np.testing.assert_allclose(cosines, np.cos(np.deg2rad(angles)), atol=1e-14)
    assert np.linalg.det(cell) > 0


def test_right_angles_are_exact():
    cell = cell_from_parameters((1.0, 2.0, 3.0), (90.0, 90.0, 90.0))
    assert np.count_nonzero(cell) == 3


@pytest.mark.parametrize(
    ("lengths", "angles"),
    [
        ((1, 1, 0), (90, 90, 90)),
        ((1, 1, 1), (90, 90, 180)),
        ((1, 1, 1), (90, 90, 190)),
        ((1, 1, 1), (0, 90, 90)),
        ((1, 1, 1), (60, 60, 130)),
        ((1, 1, float("nan")), (90, 90, 90)),
    ],
)
def test_what_is_no_cell_is_refused(lengths, angles):
    with pytest.raises(GeometryError, match="No cell has the lengths"):
        cell_from_parameters(lengths, angles)
