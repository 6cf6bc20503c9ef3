"""What finished runs reached, alone and over seeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.finished_runs import (
    FinishedRun,
    SeedResults,
    Spread,
    metric_unit,
    read_finished_run,
    usual_metric,
)
from matsciml_util_pages.testing.example_runs import TARGET, ExampleRun, example_target


@pytest.fixture
def finished(tmp_path: Path) -> FinishedRun:
    """A finished run, read."""
    run = read_finished_run(ExampleRun(tmp_path / "run").write())
    assert run is not None
    return run


def test_a_run_has_its_numbers(finished: FinishedRun) -> None:
    (target,) = finished.targets.values()
    assert (target.dataset, target.label) == tuple(TARGET.split("/"))
    assert target.metrics == pytest.approx(
        {key: value for key, value in example_target().metrics().items() if key[0] in "mrs"}
    )
    assert target.baseline == "median"
    assert set(target.baselines["median"]) == set(target.metrics)
    assert target.standardised_mse == pytest.approx(target.metrics["mse"] / 1.04**2)
    assert target.training_crystals == 1600
    assert finished.number("parameters", "total") == 196721
    assert finished.number("parameters", "nowhere") is None
    assert finished.number("hardware", "cpu") is None, "no number"
    assert len(finished.citations) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"metrics": 3}'])
def test_what_is_no_summary_is_no_finished_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert read_finished_run(tmp_path) is None
    assert read_finished_run(tmp_path / "nowhere") is None


def test_other_types_in_a_summary_are_passed_over(tmp_path: Path) -> None:
    data = {
        "metrics": {"test": {"mp/gap": {"mae": "small", "rmse": float("nan"), "r2": 0.5}}},
        "datasets": [], "heads": None, "baselines": {"mp/gap": 3}, "citations": 7,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(data))
    run = read_finished_run(tmp_path)
    assert run is not None
    assert run.targets["mp/gap"].metrics == {"r2": 0.5}
    assert run.targets["mp/gap"].baseline is None
    assert run.citations == []


def test_metrics_of_generated_crystals_join_those_of_the_structure(tmp_path: Path) -> None:
    run = ExampleRun(tmp_path / "run")
    run.targets[TARGET].kind = "structure"
    run.targets[TARGET].unit = "dimensionless"
    run.write()
    (run.path / "generation").mkdir()
    metrics = {"validity": {"value": 0.9}, "coverage": {"value": None}, "odd": 3}
    baselines = {"real_crystals": {"validity": 0.95, "coverage": None}}
    evaluated = {"metrics": metrics, "baselines": baselines}
    (run.path / "generation" / "metrics.json").write_text(json.dumps(evaluated))
    finished = read_finished_run(run.path)
    assert finished is not None
    assert finished.targets[TARGET].baselines["real_crystals"] == {"validity": 0.95}
    assert finished.targets[TARGET].metrics["validity"] == 0.9
    assert not {"coverage", "odd"} & set(finished.targets[TARGET].metrics)


def test_numbers_over_seeds(finished: FinishedRun) -> None:
    target = finished.targets[TARGET]
    seeds = SeedResults(metric="mae", results=[target, target], runs=[finished, finished])
    assert seeds.unit == "eV/atom"
    assert seeds.value.mean == pytest.approx(target.metrics["mae"])
    assert seeds.value.deviation == 0.0
    assert seeds.cost("wall_seconds") == pytest.approx(231.4)
    assert seeds.baseline == ("median", target.baselines["median"]["mae"])
    none = SeedResults(metric="mae", results=[], runs=[])
    assert (none.unit, none.value.mean, none.baseline) == ("", None, None)


def test_a_spread_needs_two_values_to_vary() -> None:
    spread = Spread.from_values([1.0, None, 3.0])
    assert (spread.mean, spread.deviation) == (2.0, pytest.approx(2**0.5))
    assert Spread((1.0,)).deviation is None
    assert Spread().mean is None


def test_the_metric_by_which_a_label_is_compared() -> None:
    kinds = [
        TargetInfo(name="a", kind="scalar", unit="eV"),
        TargetInfo(name="a", kind="forces", unit="eV/Å"),
        TargetInfo(name="a", kind="binary", unit="class"),
    ]
    assert [usual_metric(info) for info in kinds] == ["mse", "mae", "accuracy"]
    assert [metric_unit("mse", "eV"), metric_unit("accuracy", "class")] == ["eV²", ""]


def test_it_is_light() -> None:
    """Commands that list tables read results before they know whether anything is to be trained."""
    program = (
        "import sys, matsciml_util_pages.finished_runs, matsciml_util_pages.sheets; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'pymatgen')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
