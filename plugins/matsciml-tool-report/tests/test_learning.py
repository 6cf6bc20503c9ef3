"""Learning curves of the report, and runs that are too short for one."""

from __future__ import annotations

import pytest

from matsciml_util_pages.numbers import number
from matsciml_util_pages.testing.documents import Document, read_document
from matsciml_util_pages.testing.example_runs import (
    TARGET,
    ExampleRun,
    ExampleTarget,
    example_history,
)


def test_learning_curves_in_words(page: Document, target: ExampleTarget) -> None:
    titles = page.text("div", "learning", class_="figure-title")
    assert titles == ["Loss", "Learning rate", "Validation MAE"]
    rows = example_history(6, {TARGET: target})
    first, last = (row[f"validation/{TARGET}/mae"] for row in (rows[0], rows[-1]))
    mean = target.baselines()["mean"]["mae"]
    assert (
        f"Validation MAE, by epoch. Model: {number(first)} eV/atom after epoch 1, "
        f"{number(last)} eV/atom after epoch 6. Dashed: predicting the mean, "
        f"{number(mean)} eV/atom."
    ) in page.alternatives
    assert "A ring marks epoch 6" in page.section("learning")


@pytest.mark.usefixtures("undrawn")
def test_validation_level_follows_from_the_validation_part(page_of, run: ExampleRun) -> None:
    """Its predict-the-mean differs from the test set's."""
    run.change = lambda data: data["metrics"]["validation"][TARGET].update(mae=0.3, skill=0.4)
    assert "Dashed: predicting the mean, 0.500 eV/atom." in page_of(run).section("learning")


@pytest.mark.usefixtures("undrawn")
def test_validation_level_falls_back_to_the_test_part(page_of, run: ExampleRun) -> None:
    run.change = lambda data: data["metrics"].pop("validation")
    median = run.targets[TARGET].baselines()["median"]["mae"]
    expected = f"Dashed: predicting the median (test set), {number(median)} eV/atom."
    assert expected in page_of(run).section("learning")


@pytest.mark.usefixtures("undrawn")
def test_empty_cells_of_the_history_are_skipped(write, run: ExampleRun) -> None:
    folder = run.write()
    rows = example_history(4, run.targets)
    for row in rows[:2]:
        row["validation/loss"] = ""
    run.write_history(rows)
    page = read_document(write(folder))
    expected = [f"{1.1 * (0.8 * 0.8**epoch + 0.1):.3f}" for epoch in (2, 3)]
    assert f"Validation: {expected[0]} after epoch 3, {expected[1]} after epoch 4." in (
        page.section("learning")
    )


@pytest.mark.usefixtures("undrawn")
def test_one_epoch_has_no_curve_but_its_numbers(page_of, run: ExampleRun) -> None:
    run.epochs = 1
    page = page_of(run)
    assert not page.find("svg", "learning")
    assert page.section("learning") == (
        "Learning The run has one epoch, and a curve needs two. "
        "Loss after it: training 0.900, validation 0.990."
    )
    assert "structures/s" not in page.section("cost")
    assert len(page.find("svg", "predictions")) == 3


@pytest.mark.usefixtures("undrawn")
def test_no_epoch_at_all(page_of, run: ExampleRun) -> None:
    run.epochs = 0
    assert "metrics.csv holds no epoch" in page_of(run).section("learning")


@pytest.mark.usefixtures("undrawn")
def test_history_without_losses_still_shows_the_metric(write, run: ExampleRun) -> None:
    folder = run.write()
    rows = example_history(3, run.targets)
    for row in rows:
        del row["train/loss"], row["validation/loss"]
    run.write_history(rows)
    page = read_document(write(folder))
    assert "Loss: a curve needs at least two epochs with a value." in page.section("learning")
    assert "Validation MAE" in page.text("div", "learning", class_="figure-title")
