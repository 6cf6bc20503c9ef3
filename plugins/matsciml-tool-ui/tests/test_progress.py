"""How far a run has come, and how long it will take."""

from __future__ import annotations

import pytest

from matsciml_tool_ui.progress import read_progress


@pytest.fixture
def run(tmp_path, add_run):
    return add_run(tmp_path / "run")


def test_epochs_losses_and_time_left(run):
    progress = read_progress(run)
    assert (progress.epochs, progress.planned) == (3, 6)
    assert progress.last("train/loss") == pytest.approx(0.612)
    assert progress.last("absent") is None
    # Three epochs took 13 s.
    assert progress.seconds_left == pytest.approx(13.0)
    assert progress.share == pytest.approx(0.5)
    assert progress.epoch_seconds == pytest.approx(4.0)
    assert progress.names("encoder") == "megnet"


def test_before_the_first_epoch_nothing_is_known(run):
    (run / "metrics.csv").unlink()
    progress = read_progress(run)
    assert progress.problem == ""
    assert progress.seconds_left is None
    assert progress.share == 0.0
    assert progress.state(1.0) == "training"


def test_a_time_budget_leaves_what_is_left_of_it(run):
    text = (run / "config.yaml").read_text().replace("epochs: 6", "epochs: 20\n  minutes: 1")
    (run / "config.yaml").write_text(text)
    progress = read_progress(run)
    assert progress.planned is None
    assert progress.seconds_left == pytest.approx(60 - 13)


def test_long_epochs_are_waited_for(run):
    text = (run / "metrics.csv").read_text().replace(",13.0,", ",1000.0,")
    (run / "metrics.csv").write_text(text)
    progress = read_progress(run)
    assert progress.epoch_seconds == pytest.approx(991.0)
    assert progress.state(2900) == "training"
    assert progress.state(3000) == "silent"


def test_an_epoch_without_a_number_has_none(run):
    lines = (run / "metrics.csv").read_text().splitlines()
    lines[-1] = "2,30,13.0,0.001,nan,0.5,"
    (run / "metrics.csv").write_text("\n".join(lines))
    progress = read_progress(run)
    assert progress.problem == ""
    assert progress.last("train/loss") is None
    assert progress.last("validation/loss") == 0.5


def test_more_epochs_than_planned_are_no_negative_time(run, add_epochs):
    add_epochs(run, 8)
    assert read_progress(run).seconds_left == 0.0
