"""Errors of a target, summarised."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_tool_report.error_summary import by_component, largest_errors, mean_errors, summarise
from matsciml_util_pages.run_files import Predictions


def predictions(
    errors: list[float], ids: list[str] | None = None, labels: float = 1.0
) -> Predictions:
    """Return predictions with given errors."""
    names = tuple(ids or [f"c{place}" for place in range(len(errors))])
    truth = np.full(len(errors), labels)
    return Predictions(names, truth, truth + np.array(errors), 0)


def test_error_summary_of_known_errors() -> None:
    found = summarise(predictions([1.0, -3.0, 2.0, -2.0]))
    assert found.bias == -0.5
    assert found.half == 2.0
    assert found.largest == 3.0
    # Absolute errors 1 3 2 2: target variance 2/3.
    assert found.standard_error == pytest.approx((2 / 3) ** 0.5 / 2)


def test_standard_error_needs_independent_crystals() -> None:
    assert summarise(predictions([1.0, 2.0], ["a", "a"])).standard_error is None
    assert summarise(predictions([1.0])).standard_error is None


def test_worst_takes_the_worst_value_of_each_crystal() -> None:
    found = largest_errors(predictions([0.1, -4.0, 3.0, 2.0], ["a", "a", "b", "a"]))
    assert [(item.id, item.error) for item in found] == [("a", -4.0), ("b", 3.0)]


def test_mean_errors_only_from_a_constant_that_is_the_mean() -> None:
    values = predictions([0.0, 0.0], labels=2.0)
    baselines = {"mean": {"mae": 1.5}}
    np.testing.assert_array_equal(mean_errors(values, {"mean": 0.5}, baselines), [1.5, 1.5])
    assert mean_errors(values, {"mean": 0.7}, baselines) is None
    assert mean_errors(values, {}, baselines) is None
    assert mean_errors(values, {"mean": 0.5}, {}) is None


def test_errors_by_component():
    labels = np.array([1.0, 2.0, 0.0, -1.0, 0.0, 0.0])
    predicted = np.array([1.5, 2.0, 1.0, -2.5, 0.0, -1.0])
    values = Predictions(("a",) * 3 + ("b",) * 3, labels, predicted, 0, indices=np.arange(6))
    x, y, z = by_component(values, ("x", "y", "z"))
    assert (x.mae, x.bias, x.label) == (1.0, -0.5, 1.0)
    assert x.rmse == pytest.approx(((0.25 + 2.25) / 2) ** 0.5)
    assert (y.mae, z.mae, z.bias) == (0.0, 1.0, 0.0)
    assert by_component(predictions([0.5]), ("x",)) == []
