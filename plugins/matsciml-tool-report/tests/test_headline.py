"""The top of the report: headline, baselines, table of metrics, and what is wrong with the run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from matsciml_util_pages.numbers import number
from matsciml_util_pages.testing.documents import Document
from matsciml_util_pages.testing.example_runs import (
    TARGET,
    ExampleRun,
    ExampleTarget,
    example_target,
)


def test_report_lies_in_the_run_and_is_small(write, run: ExampleRun) -> None:
    path = write(run.write())
    assert path == run.path / "report.html"
    assert 20_000 < path.stat().st_size < 300_000
    assert not list(run.path.glob("*.part"))


def test_headline_sets_the_error_beside_the_best_baseline(
    page: Document, target: ExampleTarget
) -> None:
    model, median = target.metrics()["mae"], target.baselines()["median"]["mae"]
    assert median < target.baselines()["mean"]["mae"]
    assert page.text("h1") == ["megnet on mp: formation energy per atom"]
    assert page.text("p", class_="value") == [f"{number(model)} eV/atom"]
    (caption,) = page.text("p", class_="value-caption")
    assert caption == (
        f"Mean absolute error on 200 test crystals — {number(median / model)} times smaller "
        f"than predicting the median ({number(median)} eV/atom)"
    )


def test_bars_are_as_long_as_the_errors(page: Document, target: ExampleTarget) -> None:
    assert page.text("span", class_="bar-name") == [
        "Model",
        "Predicting the mean",
        "Predicting the median",
    ]
    styles = [item.attributes["style"] for item in page.find("span") if "style" in item.attributes]
    lengths = [float(re.fullmatch(r"width: ([\d.]+)%", style).group(1)) for style in styles]  # type: ignore[union-attr]
    errors = [target.metrics()["mae"], *(found["mae"] for found in target.baselines().values())]
    assert lengths == pytest.approx([100 * error / max(errors) for error in errors], abs=0.01)


def test_what_others_reached_stands_below_the_metrics(page_of, run: ExampleRun, undrawn) -> None:
    dataset, _, label = TARGET.partition("/")
    entry = {"target": label, "metric": "mae", "value": 0.37, "method": "kernel ridge regression"}
    entry |= {"conditions": "3,000 crystals", "source": "Faber et al. (2015)"}
    others = {"mine": entry, "band": entry | {"target": "band_gap", "value": 0.9}}
    run.change = lambda summary: summary["datasets"][dataset].update(published=others)
    text = page_of(run).section("results")
    expected = "Published MAE: 0.370 eV/atom, kernel ridge regression (3,000 crystals; Faber et al."
    assert expected in text
    assert "0.900" not in text


def test_metrics_table_has_units_and_baselines(page: Document, target: ExampleTarget) -> None:
    header, *rows = page.rows("results")
    assert header == [
        "Metric",
        "Model",
        "Predicting the mean",
        "Predicting the median",
        "Model, validation set",
    ]
    assert [row[0] for row in rows] == [
        "Mean absolute error (MAE), eV/atom",
        "Root mean square error (RMSE), eV/atom",
        "Mean square error (MSE), (eV/atom)²",
        "Coefficient of determination (R²)",
        "Skill",
    ]
    median = target.baselines()["median"]
    assert rows[0][3] == number(median["mae"])
    assert rows[2][1] == number(target.metrics()["mse"])
    assert rows[4][2] == "0"


@pytest.mark.usefixtures("undrawn")
def test_metric_the_report_does_not_know_is_shown(page_of, run: ExampleRun) -> None:
    run.change = lambda data: data["metrics"]["test"][TARGET].update(force_cosine=0.87654)
    rows = page_of(run).rows("results")
    assert ["Force cosine", "0.877", "—", "—", "—"] in rows


@pytest.mark.usefixtures("undrawn")
def test_run_that_is_not_finished_says_so(page_of, run: ExampleRun) -> None:
    run.change = lambda data: data.update(status="interrupted")
    (notice,) = page_of(run).text("p", role="note")
    assert notice == "This run is interrupted, not finished; its numbers may change."


@pytest.mark.usefixtures("undrawn")
def test_crystals_that_were_seen_in_pretraining_are_told(page_of, run: ExampleRun) -> None:
    run.change = lambda data: data.update(init={"model": "m", "seen": ["mp"]})
    (notice,) = page_of(run).text("p", role="note")
    assert notice.startswith("The weights that this run started from have seen most crystals of mp")


def test_finished_run_has_no_notice(page: Document) -> None:
    assert not page.find("p", role="note")


def test_several_targets_each_have_their_place(page_of, run: ExampleRun) -> None:
    gap = example_target(100, seed=2)
    gap.unit = "eV"
    run.targets = {TARGET: example_target(), "mp/band_gap": gap}
    page = page_of(run)
    assert page.text("h1") == ["megnet on mp: 2 targets"]
    assert page.text("h2", class_="headline-target") == [
        "formation energy per atom, mp",
        "band gap, mp",
    ]
    assert [text.split()[-1] for text in page.text("p", class_="value")] == ["eV/atom", "eV"]
    assert "Mean square error (MSE), eV²" in page.section("results")
    assert "Validation MAE, band gap" in page.section("learning")
    assert len(page.find("svg")) == 2 + 2 + 6
    assert "Head of mp/band gap" in page.section("model")


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_have_their_own_headline_and_no_parity_plot(
    page_of, run: ExampleRun, kind: str
) -> None:
    classes = np.arange(50, dtype=np.float64) % 2
    run.targets = {"mp/is_stable": ExampleTarget(classes, classes, unit="class", kind=kind)}

    def change(data: dict[str, Any]) -> None:
        found = {"balanced_accuracy": 0.75, "accuracy": 0.81234, "unit": "class", "count": 50}
        data["metrics"] = {"test": {"mp/is_stable": found}}
        data["baselines"] = {"mp/is_stable": {"majority": {"accuracy": 0.5, "unit": "class"}}}

    run.change = change
    page = page_of(run)
    assert page.text("p", class_="value") == ["0.812"]
    (caption,) = page.text("p", class_="value-caption")
    assert caption == (
        "Accuracy on 50 test crystals — beside predicting the majority class (0.500)"
    )
    assert ["Balanced accuracy", "0.750", "—"] in page.rows("results")
    (figure,) = page.find("svg", "predictions")
    assert figure.attributes["aria-label"].startswith("Confusion matrix. 100\u00a0% of 50 crystals")
    assert ["0", "25", "25", "100 %", "100 %"] in page.rows("predictions")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("factor", "text"), [(1.15, "13 % smaller"), (0.8, "25 % larger")])
def test_headline_is_honest_about_trees(
    page_of, run: ExampleRun, target: ExampleTarget, factor: float, text: str
) -> None:
    trees = {**target.baselines()["mean"], "mae": factor * target.metrics()["mae"]}
    run.change = lambda data: data["baselines"][TARGET].update(trees=trees)
    (caption,) = page_of(run).text("p", class_="value-caption")
    assert f"{text} than trees on descriptors" in caption


@pytest.mark.usefixtures("undrawn")
def test_baselines_that_were_not_recorded(page_of, run: ExampleRun) -> None:
    run.change = lambda data: (data.pop("baselines"), data["metrics"].pop("validation"))
    page = page_of(run)
    assert page.text("p", class_="value-caption") == ["Mean absolute error on 200 test crystals"]
    assert "Dashed" not in page.section("learning")


@pytest.mark.usefixtures("undrawn")
def test_second_report_replaces_the_first(write, run: ExampleRun) -> None:
    path = write(run.write())
    path.write_text("old", encoding="utf-8")
    assert write(run.path) == path
    assert "megnet on mp" in path.read_text(encoding="utf-8")
