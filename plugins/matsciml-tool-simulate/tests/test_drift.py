"""The straight line through an energy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matsciml_tool_simulate.drift import EnergyDrift


def drift_of(times, energies):
    drift = EnergyDrift()
    for time, energy in zip(times, energies, strict=True):
        drift.add(float(time), float(energy))
    return drift


def test_is_that_of_least_squares():
    random = np.random.default_rng(0)
    times = np.linspace(0.0, 3.0, 200)
    energies = -3.7e4 + 2e-4 * times + 1e-5 * random.normal(size=200)
    slope, offset = np.polyfit(times, energies - energies[0], 1)
    rest = energies - energies[0] - slope * times - offset
    drift = drift_of(times, energies)
    assert drift.slope == pytest.approx(slope, rel=1e-6)
    assert drift.fluctuation == pytest.approx(rest.std(), rel=1e-6)
    assert drift.largest == pytest.approx(np.abs(energies - energies[0]).max())


def test_of_a_constant_is_nothing():
    drift = drift_of([0, 1, 2], [5.0, 5.0, 5.0])
    assert (drift.slope, drift.fluctuation, drift.largest) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("count", [0, 1])
def test_of_too_few_points_is_unknown(count):
    drift = drift_of(range(count), range(count))
    assert math.isnan(drift.slope)
    assert math.isnan(drift.fluctuation)
