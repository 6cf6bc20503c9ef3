"""What the report says of the spread that a model knows, and nothing where it knows none."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from matsciml_core.model.uncertainty import calibrate
from matsciml_tool_report.uncertainty_section import uncertainty
from matsciml_util_pages.run_files import read_run

KEY = "toy/gap"


@pytest.fixture
def folder(tmp_path):
    """A run whose errors are normally distributed with the spread that it states."""
    random = np.random.default_rng(0)
    spreads = random.uniform(0.1, 1.0, size=400)
    errors = spreads * random.standard_normal(400)
    summary = {
        "metrics": {"test": {KEY: {"mae": 0.4, "unit": "eV", "count": 200}}},
        "datasets": {"toy": {"labels": {"gap": {"kind": "scalar", "unit": "eV"}}}},
    }
    (tmp_path / "run.json").write_text(json.dumps(summary))
    interval = calibrate(errors[200:], spreads=spreads[200:])
    (tmp_path / "model.json").write_text(json.dumps({"calibration": {KEY: interval.as_data()}}))
    with (tmp_path / "predictions-test.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dataset", "target", "id", "index", "label", "prediction", "spread"])
        for k in range(200):
            writer.writerow(["toy", "gap", f"c{k}", 0, 2.0, 2.0 + errors[k], spreads[k]])
    return tmp_path


def plots(folder):
    return [plot for view in uncertainty(read_run(folder)) for plot in view.plots]


def test_coverage_and_error_are_told(folder):
    coverage, error = plots(folder)
    shares = [
        float(text.split()[-1]) for text in coverage.caption.split("\u00a0% in intervals")[:-1]
    ]
    assert shares == pytest.approx([50, 60, 70, 80, 90, 95], abs=10)
    assert "200 validation crystals" in coverage.caption
    assert "200 crystals of the test set in 10 groups" in error.caption
    assert error.title == "Error against spread"


def test_without_intervals_the_error_is_still_told(folder):
    (folder / "model.json").unlink()
    assert [plot.title for plot in plots(folder)] == ["Error against spread"]


def test_without_a_spread_there_is_no_section(folder):
    file = folder / "predictions-test.csv"
    file.write_text("\n".join(line.rpartition(",")[0] for line in file.read_text().split()))
    assert plots(folder) == []
