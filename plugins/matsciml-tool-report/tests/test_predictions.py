"""What the report shows of predictions: figures, errors in numbers, and the worst crystals."""

from __future__ import annotations

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


def test_prediction_figures_in_words(page: Document, target: ExampleTarget) -> None:
    errors = np.abs(target.predictions - target.labels)
    parity, histogram, shares = page.alternatives[3:]
    assert parity.startswith("Predicted against labelled formation energy per atom for 200 crystal")
    assert f"from {number(float(target.labels.min()))} to " in parity
    assert f"within {number(np.quantile(errors, 0.9))} eV/atom" in parity
    assert f"Half of the errors are at most {number(float(np.median(errors)))} eV/atom" in histogram
    assert f"80.0 % of the crystals are within {number(float(np.quantile(errors, 0.8)))}" in (
        shares.replace("80 %", "80.0 %")
    )
    assert "predicting the mean brings" in shares


@pytest.mark.parametrize(("size", "density"), [(500, False), (501, True)])
def test_many_points_are_drawn_as_a_density(
    page_of, run: ExampleRun, size: int, density: bool
) -> None:
    run.targets = {TARGET: example_target(size)}
    page = page_of(run)
    assert ("crystals per cell" in page.section("predictions")) is density
    assert ("var(--density-7)" in page.source.partition("</style>")[2]) is density


def test_density_of_many_values_stays_small(write, run: ExampleRun) -> None:
    run.targets = {TARGET: example_target(20_000, error=1.0)}
    assert write(run.write()).stat().st_size < 500_000


def test_wild_predictions_do_not_squeeze_the_parity_plot(page_of, run: ExampleRun) -> None:
    target = run.targets[TARGET]
    target.predictions[:3] = [1e6, -1e5, 1e9]
    assert "3 crystals lie beyond the axes." in page_of(run).section("predictions")


def test_worst_crystals_are_listed_worst_first(page: Document, target: ExampleTarget) -> None:
    errors = target.predictions - target.labels
    order = np.argsort(-np.abs(errors))[:10]
    header, *rows = page.rows("predictions")
    assert header == ["Crystal", "Label (eV/atom)", "Prediction (eV/atom)", "Error (eV/atom)"]
    assert [row[0] for row in rows] == [target.ids[place] for place in order]
    assert rows[0][1] == number(float(target.labels[order[0]]))
    assert rows[0][3] == number(float(errors[order[0]]), signed=True)


@pytest.mark.usefixtures("undrawn")
def test_worst_crystal_with_several_values_is_listed_once(page_of, run: ExampleRun) -> None:
    random = np.random.default_rng(1)
    labels = random.normal(0.0, 1.0, 300)
    ids = [f"c{i // 30}" for i in range(300)]
    forces = ExampleTarget(
        labels, labels + random.normal(0.0, 0.2, 300), 0.0, ids, "eV/Å", "forces"
    )
    run.targets = {"lips/forces": forces}
    page = page_of(run)
    names = [row[0] for row in page.rows("predictions")]
    assert sorted(name for name in names if name in ids) == sorted(set(ids))
    text = page.section("predictions")
    assert "300 values" in text
    assert "standard error" not in text
    assert "of each crystal, the worst of its values" in text


@pytest.mark.usefixtures("undrawn")
def test_predictions_that_are_not_finite_are_counted_and_left_out(page_of, run: ExampleRun) -> None:
    target = run.targets[TARGET]
    target.predictions[:2] = [np.nan, np.inf]
    run.change = lambda data: data["metrics"]["test"][TARGET].update(mae=None)
    page = page_of(run)
    assert page.text("p", class_="value") == ["—"]
    text = page.section("predictions")
    assert "Predictions that are no finite number, left out2" in text
    assert "198 crystals" in text


@pytest.mark.usefixtures("undrawn")
def test_only_unusable_predictions_are_said_to_be(page_of, run: ExampleRun) -> None:
    run.targets[TARGET].predictions[:] = np.nan
    run.change = lambda data: data["metrics"]["test"][TARGET].update(mae=None)
    text = page_of(run).section("predictions")
    assert "None of the 200 predictions is a finite number." in text


@pytest.mark.usefixtures("undrawn")
def test_target_without_unit(page_of, run: ExampleRun) -> None:
    run.targets[TARGET].unit = "dimensionless"
    page = page_of(run)
    assert "dimensionless" not in page.source
    assert page.rows("predictions")[0] == ["Crystal", "Label", "Prediction", "Error"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_few_crystals(page_of, run: ExampleRun, size: int) -> None:
    run.targets = {TARGET: example_target(size)}
    page = page_of(run)
    assert len(page.find("svg", "predictions")) == 3
    assert ("Its standard error" in page.section("predictions")) is (size > 1)


def test_perfect_predictions(page_of, run: ExampleRun) -> None:
    target = run.targets[TARGET]
    target.predictions[:] = target.labels
    page = page_of(run)
    assert page.text("p", class_="value") == ["0 eV/atom"]
    assert "every error is exactly zero" in page.section("predictions")


def test_equal_labels(page_of, run: ExampleRun) -> None:
    run.targets[TARGET].labels[:] = 2.0
    assert "Labels run from 2.00 to 2.00 eV/atom" in page_of(run).alternatives[3]


@pytest.mark.usefixtures("undrawn")
def test_ids_with_line_breaks_and_commas(page_of, run: ExampleRun) -> None:
    target = run.targets[TARGET]
    target.ids[:] = [f'a,"b"\nc{place}' for place in range(len(target.ids))]
    assert 'a,"b" c' in page_of(run).rows("predictions")[1][0]


def test_letters_that_matplotlib_has_no_font_for(page_of, run: ExampleRun) -> None:
    run.targets[TARGET].unit = "電子"
    assert "Label (電子)" in page_of(run).section("predictions")
