"""Trials are run, stopped, failed, resumed, and never repeated."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from matsciml_core.errors import ConfigError, TrainingError
from matsciml_core.files import write_json
from matsciml_core.training import after_fit
from matsciml_tool_sweep.sweep import working_on
from matsciml_tool_sweep.trials import best_of


def until(holds, what):
    """Wait until something holds."""
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def checkpoint(made, number):
    """Return the checkpoint that the fake run of a trial writes after its first epoch."""
    folder = made.sweep.path / "trials" / f"{number:04d}"
    return folder / "latest" / "checkpoints" / "last.ckpt"


def test_the_best_is_near_the_valley(make_sweep):
    made = make_sweep()
    study = made.search(6)
    trials = study.trials()
    assert [trial.state for trial in trials] == ["finished"] * 6
    best = best_of(trials, made.sweep.metric)
    distances = {trial.number: abs(trial.settings["encoder.cutoff"] - 5) for trial in trials}
    assert best.number == min(distances, key=distances.get)
    # What the run measured with its best weights, not the loss.
    assert best.value == pytest.approx(2 * (distances[best.number] ** 2 + 1 / 3))
    assert sorted(best.curve) == [0, 1, 2]


def test_what_has_finished_is_not_run_again(make_sweep):
    made = make_sweep()
    made.search(2)
    study = made.search(3)
    assert [trial.state for trial in study.trials()] == ["finished"] * 3
    assert [made.calls(number) for number in range(3)] == [["--config"]] * 3
    assert made.search(3).trials() == study.trials()


def test_combinations_end_a_sweep(make_sweep):
    study = make_sweep("encoder.cutoff=4,5,6").search(20)
    assert sorted(trial.settings["encoder.cutoff"] for trial in study.trials()) == [4, 5, 6]


def test_hopeless_trials_are_stopped_and_the_others_are_not(make_sweep, monkeypatch):
    made = make_sweep("encoder.cutoff=4,4.5,5,5.5,6,300", patience=1)
    study = made.study()
    # The one far off comes last, when there is a median to compare with.
    for cutoff in ("4", "4.5", "5", "5.5", "6"):
        study._study.enqueue_trial({"encoder.cutoff": cutoff})
    made.search(5)
    # As long as it takes to be looked at, however busy the machine is.
    made.sweep.data["training"]["epochs"] = 1000
    monkeypatch.setenv("PAUSE", "0.2")
    study = made.search(6)
    hopeless = study.trials()[-1]
    assert hopeless.settings["encoder.cutoff"] == 300
    assert hopeless.state == "pruned"
    assert 2 <= len(hopeless.curve) < 1000
    assert [trial.state for trial in study.trials()[:-1]] == ["finished"] * 5
    assert "stopped after" in made.said[-1]
    assert made.sweep.finished_run(hopeless) is None


def test_a_trial_that_fails_is_told_and_not_tried_again(make_sweep, monkeypatch):
    monkeypatch.setenv("FAIL_ABOVE", "5.5")
    made = make_sweep("encoder.cutoff=4,5,6")
    states = {trial.settings["encoder.cutoff"]: trial for trial in made.search(3).trials()}
    assert {cutoff: trial.state for cutoff, trial in states.items()} == {
        4: "finished", 5: "finished", 6: "failed",
    }  # fmt: skip
    assert states[6].sentence == "The moon is in the wrong place."
    assert any("failed: The moon is in the wrong place." in text for text in made.said)
    made.search(3)
    assert made.calls(states[6].number) == ["--config"]


def test_a_sweep_of_which_all_fails_ends_early(make_sweep, monkeypatch):
    monkeypatch.setenv("FAIL_ABOVE", "0")
    made = make_sweep()
    with pytest.raises(TrainingError, match=r"first 3 trials failed.*The moon"):
        made.search(20, jobs=1)
    assert len(made.study().trials()) == 3


def test_a_metric_that_runs_do_not_have_is_answered_with_those_they_have(make_sweep):
    with pytest.raises(ConfigError, match=r"no metric 'mea'.*Did you mean.*toy/gap/mae"):
        make_sweep(metric="mea").search(2)


@pytest.mark.parametrize(("metric", "column"), [("loss", 1.0), ("toy/gap/mae", 2.0)])
def test_other_metrics_are_compared_by(make_sweep, metric, column):
    (trial,) = make_sweep("encoder.cutoff=4,8", metric=metric).search(1).trials()
    cutoff = trial.settings["encoder.cutoff"]
    assert trial.value == pytest.approx(column * ((cutoff - 5) ** 2 + 1 / 3))


def killed(made, trials):
    """Search in a process that is killed once a trial has a checkpoint."""
    process = multiprocessing.get_context("fork").Process(target=made.search, args=(trials,))
    process.start()
    until(checkpoint(made, 2).exists, "the run has no checkpoint")
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_sweep_goes_on_and_repeats_nothing(make_sweep, monkeypatch):
    made = make_sweep()
    made.search(2)
    monkeypatch.setenv("PAUSE", "0.5")
    killed(made, 4)
    states = [trial.state for trial in made.study().trials()]
    assert states == ["finished", "finished", "running", "running"]
    monkeypatch.setenv("PAUSE", "0")
    study = made.search(5)
    assert [trial.state for trial in study.trials()] == ["finished"] * 5
    assert made.calls(0) == made.calls(1) == ["--config"]
    assert made.calls(2) == ["--config", "--resume"]
    assert all(trial.seconds >= 7.5 for trial in study.trials())
    settings = [trial.settings["encoder.cutoff"] for trial in study.trials()]
    assert len(set(settings)) == 5


def test_a_trial_that_finished_while_nobody_looked_is_taken_up(make_sweep):
    made = make_sweep()
    with working_on(made.sweep.path):
        study = made.study()
        trial = study.ask()
        (words,) = made.sweep.job(trial).commands
        subprocess.run(words, check=True)
    study = made.search(1)
    assert study.trial(0).state == "finished"
    assert study.trial(0).seconds == 7.5  # as the run says, since no call has seen it
    assert made.calls(0) == ["--config"]


def test_a_trial_that_was_killed_while_its_report_was_written_gets_it(make_sweep):
    made = make_sweep()
    with working_on(made.sweep.path):
        trial = made.study().ask()
        (words,) = made.sweep.job(trial).commands
        subprocess.run(words, check=True)
    run = made.sweep.finished_run(trial)
    write_json(run / after_fit.SEGMENTS, {})
    after_fit.begin(run)
    shutil.rmtree(run / "checkpoints")  # as a run without epochs, which has none
    assert made.search(1).trial(0).state == "finished"
    assert made.calls(0) == ["--config", "--resume"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_stop_what_ran_goes_on(make_sweep, monkeypatch, number):
    made = make_sweep()
    monkeypatch.setenv("PAUSE", "0.5")

    def stop():
        until(checkpoint(made, 0).exists, "the run has no checkpoint")
        os.kill(os.getpid(), number)

    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt):
        made.search(1, jobs=1)
    (trial,) = made.study().trials()
    assert trial.state == "running"
    assert trial.seconds > 0
    monkeypatch.setenv("PAUSE", "0")
    assert made.search(1).trial(0).state == "finished"
    assert made.calls(0) == ["--config", "--resume"]


def test_when_the_time_is_over_what_runs_is_kept(make_sweep, monkeypatch):
    made = make_sweep()
    made.sweep.data["training"]["epochs"] = 1000
    monkeypatch.setenv("PAUSE", "0.2")
    (trial,) = made.search(1, minutes=0.03, jobs=1).trials()
    assert trial.state == "running"
    assert made.said == ["The time is over; what runs is stopped, and goes on with the sweep."]
    assert made.sweep.finished_run(trial) is None


def test_no_trial_is_begun_for_which_there_is_no_time(make_sweep):
    made = make_sweep()
    study = made.study()
    for _ in range(3):
        study.finish(study.ask().number, 1.0, 3600.0)
    assert len(made.search(20, minutes=1.0).trials()) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "package"), [("ray", "ray"), ("slurm", "submitit")])
@pytest.mark.filterwarnings(
    # What other projects leave open or call by its old name is not ours to fix.
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_trials_run_on_clusters_and_hopeless_ones_are_stopped_there(
    make_sweep, monkeypatch, launcher, package
):
    pytest.importorskip(package)
    monkeypatch.setenv("MATSCIML_SUBMITIT", "local")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made = make_sweep("encoder.cutoff=4,4.5,5,5.5,6,300", patience=1)
    study = made.study()
    for cutoff in ("4", "4.5", "5", "5.5", "6"):
        study._study.enqueue_trial({"encoder.cutoff": cutoff})
    states = [trial.state for trial in made.search(5, launcher=launcher).trials()]
    assert states == ["finished"] * 5
    made.sweep.data["training"]["epochs"] = 1000
    monkeypatch.setenv("PAUSE", "0.5")
    assert made.search(6, launcher=launcher).trials()[-1].state == "pruned"


def test_two_processes_do_not_work_on_one_sweep(make_sweep):
    made = make_sweep()
    with (
        working_on(made.sweep.path),
        pytest.raises(ConfigError, match="Another process works on"),
    ):
        made.search(1)
