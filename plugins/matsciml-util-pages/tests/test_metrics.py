"""Titles, units and comparisons of metrics."""

from __future__ import annotations

import pytest

from matsciml_util_pages.metrics import comparison, metric_info

UNIT = "eV/atom"


@pytest.mark.parametrize(
    ("name", "value", "reference", "text"),
    [
        ("mae", 0.152, 0.902, "5.93 times smaller than predicting the mean (0.902 eV/atom)"),
        ("mae", 1.2, 0.8, "1.50 times larger than predicting the mean (0.800 eV/atom)"),
        ("mae", 0.8, 0.801, "the same as predicting the mean (0.801 eV/atom)"),
        ("mae", 0.0, 0.8, "beside predicting the mean (0.800 eV/atom)"),
        ("mae", 0.5, None, "beside predicting the mean (—)"),
        ("accuracy", 0.9, 0.6, "beside predicting the mean (0.600)"),
    ],
)
def test_comparison(name: str, value: object, reference: object, text: str) -> None:
    assert comparison(name, value, "mean", reference, UNIT).replace("\u00a0", " ") == text


def test_metric_units_follow_the_label() -> None:
    assert metric_info("mse").quantity(0.25, "eV") == "0.250\u00a0eV²"
    assert metric_info("r2").quantity(0.25, "eV") == "0.250"
