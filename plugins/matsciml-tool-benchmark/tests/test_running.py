"""Experiments are run, resumed, retried, and left alone once they are finished."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from filelock import FileLock

from matsciml_core.errors import ConfigError
from matsciml_tool_benchmark.availability import Unavailable
from matsciml_tool_benchmark.benchmark import Benchmark
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.running import run_experiments
from matsciml_util_launchers.choice import open_launcher


def told(make_table, *words, seeds=1, **changes):
    """Return experiments whose fake run does what each word says."""
    encoders = {f"net{index}": {"told": word} for index, word in enumerate(words)}
    return plan(make_table(encoders=encoders, **changes), "mini", seeds=seeds)


def run(experiments, folder, jobs=1):
    """Run what has not finished, and return the progress by experiment."""
    ended = {}
    run_experiments(
        [item for item in experiments if folder.status(item).state != "finished"],
        folder,
        open_launcher("local", jobs=jobs),
        lambda progress: ended.update({progress.experiment.key: progress}),
    )
    return ended


def test_an_experiment_is_run_once(make_table, folder):
    experiments = told(make_table, "", "", seeds=2)
    ended = run(experiments, folder)
    assert [progress.status.state for progress in ended.values()] == ["finished"] * 4
    assert [progress.done for progress in ended.values()] == [1, 2, 3, 4]
    assert {progress.total for progress in ended.values()} == {4}
    assert run(experiments, folder) == {}


def test_an_experiment_with_other_settings_is_run_again(make_table, folder):
    run(told(make_table, ""), folder)
    changed = told(make_table, "", row={"settings": {"training": {"epochs": 9}}})
    assert folder.status(changed[0]).state == "waiting"
    assert list(run(changed, folder)) == ["gap/net0/seed-0"]


def test_a_run_whose_files_are_gone_is_made_again(make_table, folder):
    experiments = told(make_table, "")
    run(experiments, folder)
    (folder.of(experiments[0]) / "latest" / "model.safetensors").unlink()
    assert list(run(experiments, folder)) == ["gap/net0/seed-0"]


def test_failures_are_reported_and_tried_again(make_table, folder):
    experiments = told(make_table, "fail", "crash", "")
    ended = run(experiments, folder)
    statuses = {key: progress.status for key, progress in ended.items()}
    assert statuses["gap/net0/seed-0"].sentence == "The moon is in the wrong place."
    assert statuses["gap/net1/seed-0"].sentence == "It was ended by the signal SIGABRT."
    assert statuses["gap/net2/seed-0"].state == "finished"
    assert folder.status(experiments[0]).state == "failed"
    again = run(experiments, folder)
    assert list(again) == ["gap/net0/seed-0", "gap/net1/seed-0"]
    # A failed run starts afresh: what it had saved may be what made it fail.
    assert (folder.of(experiments[0]) / "run-1" / "calls.txt").read_text() == "--config\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_stop_finished_experiments_stay_and_the_others_resume(make_table, folder, number):
    experiments = told(make_table, "", "wait")

    def interrupt():
        deadline = time.monotonic() + 300
        while not (folder.of(experiments[1]) / "latest" / "checkpoints" / "last.ckpt").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(experiments, folder)
    assert [folder.status(experiment).state for experiment in experiments] == [
        "finished",
        "interrupted",
    ]
    assert list(run(experiments, folder)) == ["gap/net1/seed-0"]
    assert (folder.of(experiments[1]) / "run-0" / "calls.txt").read_text() == "--config\n--resume\n"
    assert not list(folder.of(experiments[1]).glob("run-1"))


def test_experiments_that_cannot_run_here_are_left_out(make_table, folder):
    table = make_table(encoders={"net0": {}, "net1": {}})
    experiments = plan(table, "mini")
    unavailable = {"gap/net0": Unavailable("no data", "Fetch it.")}
    benchmark = Benchmark(
        table=table, budget="mini", experiments=experiments, folder=folder, unavailable=unavailable
    )
    assert [item.name for item in benchmark.unfinished(experiments)] == ["gap/net1"]


def test_two_processes_do_not_fill_one_folder(make_table, folder):
    folder.path.mkdir(parents=True)
    with (
        FileLock(folder.path / ".lock"),
        pytest.raises(ConfigError, match="Another process is filling"),
    ):
        run(told(make_table, ""), folder)
