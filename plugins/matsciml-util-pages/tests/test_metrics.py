"""Titles, units and comparisons of metrics."""

from __future__ import annotations

import pytest

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.metrics import (
    comparison,
    describe_baseline,
    headline_baseline,
    metric_info,
)

UNIT = "eV/atom"
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å")
FORMATION = TargetInfo(name="formation_energy_per_atom", kind="scalar", unit=UNIT)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=7)


@pytest.mark.parametrize(
    ("name", "value", "reference", "text"),
    [
        ("mae", 0.152, 0.902, "5.93 times smaller than predicting the mean (0.902 eV/atom)"),
        ("mae", 1.2, 0.8, "50 % larger than predicting the mean (0.800 eV/atom)"),
        ("mae", 0.435, 0.5, "13 % smaller than predicting the mean (0.500 eV/atom)"),
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


def test_metrics_and_baselines_have_names():
    assert metric_info("mae_per_atom").quantity(0.5, "eV") == "0.500\u00a0eV/atom"
    assert metric_info("mae").quantity(0.5, "eV/Å") == "0.500\u00a0eV/Å"
    assert metric_info("top5_accuracy").short == "top-5 accuracy"
    assert describe_baseline("symmetry_finder") == "asking a symmetry finder"
    assert headline_baseline(FORCES, {"composition": 1, "zero": 1}) == "zero"
    assert headline_baseline(GROUP, {"symmetry_finder": 1, "majority": 1}) == "majority"


def test_headline_takes_the_best_baseline():
    rows = {"mean": {"mae": 0.9}, "trees": {"mae": 0.2}, "composition": {"mae": 0.3}}
    assert headline_baseline(FORMATION, rows) == "trees"
    assert headline_baseline(FORMATION, {**rows, "trees": {"rmse": 0.2}}) == "composition"
    shares = {"majority": {"accuracy": 0.4}, "trees": {"accuracy": 0.7}}
    assert headline_baseline(GROUP, shares) == "trees"
    # A symmetry finder computes the label, so that it is no baseline to beat.
    assert headline_baseline(GROUP, {**shares, "symmetry_finder": {"accuracy": 1.0}}) == "trees"
