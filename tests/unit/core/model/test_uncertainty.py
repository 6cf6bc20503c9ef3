"""Intervals hold as many labels as they say, with as few crystals as there are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matsciml_core.model.uncertainty import (
    COVERAGE,
    LEVELS,
    Calibration,
    calibrate,
    conformal_quantile,
    describe_uncertainty,
)


@pytest.mark.parametrize("count", [9, 19, 37])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_a_further_score_is_covered_with_exactly_the_probability_of_its_rank(count, coverage):
    # Of n + 1 exchangeable scores the last is below the k-th of the others with k / (n + 1).
    random, trials = np.random.default_rng(0), 20_000
    scores = random.exponential(size=(trials, count + 1))
    covered = np.mean([row[-1] <= conformal_quantile(row[:-1], coverage) for row in scores])
    expected = math.ceil(round((count + 1) * coverage, 9)) / (count + 1)
    assert expected >= coverage
    assert covered == pytest.approx(expected, abs=4 * math.sqrt(0.25 / trials))


def test_too_few_crystals_have_no_interval_of_high_coverage():
    assert conformal_quantile(np.arange(8.0), 0.9) == math.inf
    assert conformal_quantile(np.arange(9.0), 0.9) == 8.0
    assert set(calibrate(np.arange(9.0)).quantiles) == {0.5, 0.6, 0.7, 0.8, 0.9}


def test_half_widths_scale_with_the_spread_or_the_atoms():
    errors = np.array([1.0, -2.0, 3.0, -4.0] * 5)
    assert calibrate(errors).half_width(0.9, spread=7.0, atoms=9) == 4.0
    spreads = calibrate(errors, spreads=np.abs(errors) / 2)
    assert spreads.half_width(0.9, spread=0.5, atoms=9) == 1.0
    atoms = calibrate(errors, atoms=np.abs(errors).astype(int))
    assert atoms.half_width(0.9, spread=0.5, atoms=9) == 9.0


def test_an_error_without_a_spread_is_longer_than_every_interval():
    errors, spreads = np.array([0.0, 1.0, 1.0] * 10), np.zeros(30)
    assert calibrate(errors, spreads=spreads).quantiles == {}
    assert calibrate(np.zeros(30), spreads=spreads).quantiles == dict.fromkeys(LEVELS, 0.0)


def test_plain_data_and_back():
    made = calibrate(np.arange(40.0), spreads=np.ones(40))
    assert Calibration.from_data(made.as_data()) == made


@pytest.mark.parametrize("data", [None, [], {}, {"scale": "", "count": 1, "quantiles": {"x": 1}}])
def test_other_data_are_none(data):
    assert Calibration.from_data(data) is None


def test_only_labels_of_which_something_is_known_are_described():
    found = describe_uncertainty(["a", "b", "c"], {"a"}, {"b"})
    assert set(found) == {"a", "b"}
    assert (found["a"].spread, found["a"].coverage) == (True, None)
    assert (found["b"].spread, found["b"].coverage) == (False, COVERAGE)
