"""Experiments are run, resumed, retried, and left alone once they are finished."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from filelock import FileLock

from matsciml_core.errors import ConfigError
from matsciml_tool_benchmark.availability import Unavailable
from matsciml_tool_benchmark.benchmark import Benchmark
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.launchers import Job, open_launcher
from matsciml_tool_benchmark.launchers._local import LocalLauncher
from matsciml_tool_benchmark.running import run_experiments
from matsciml_tool_benchmark.table_folder import failure_sentence


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
        deadline = time.monotonic() + 30
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


def test_jobs_run_side_by_side(tmp_path):
    script = (
        "import pathlib, sys, time\n"
        "mine, other = map(pathlib.Path, sys.argv[1:])\n"
        "mine.touch()\n"
        "while not other.exists(): time.sleep(0.02)\n"
    )
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    jobs = [
        Job(
            key=order[0],
            commands=((sys.executable, "-c", script, *order),),
            log=str(tmp_path / "log.txt"),
            lock=f"{order[0]}.lock",
        )
        for order in (names, names[::-1])
    ]
    with open_launcher("local", jobs=2) as launcher:
        assert [outcome.code for outcome in launcher.run(jobs)] == [0, 0]


def test_cores_are_split_between_the_jobs(make_table, folder, monkeypatch):
    monkeypatch.setattr("matsciml_tool_benchmark.launchers._local.available_cores", lambda: 6)
    experiments = told(make_table, "")
    run(experiments, folder, jobs=2)
    assert (folder.of(experiments[0]) / "latest" / "threads.txt").read_text() == "3"


def test_threads_that_the_user_chose_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS" not in LocalLauncher(jobs=2).environment(0)


def test_gpus_go_round(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    launcher = LocalLauncher()
    assert launcher.slots == 2
    shares = [launcher.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert shares == ["4", "6", "4"]


def test_leaving_a_launcher_ends_its_jobs(tmp_path):
    script = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    started = tmp_path / "started"
    job = Job(
        key="a",
        commands=((sys.executable, "-c", script, str(started)),),
        log=str(tmp_path / "log.txt"),
        lock=str(tmp_path / ".lock"),
    )
    begin = time.monotonic()
    with open_launcher("local", jobs=1) as launcher:
        outcomes = launcher.run([job])
        threading.Thread(target=lambda: next(outcomes, None), daemon=True).start()
        while not started.exists():
            time.sleep(0.02)
    assert time.monotonic() - begin < 30


def test_an_unknown_launcher_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no launcher 'slurn'.*'slurm'"):
        open_launcher("slurn")


def test_the_reason_of_a_failure_is_its_error_or_its_last_line(tmp_path):
    log = tmp_path / "log.txt"
    assert failure_sentence(3, log) == "It ended with the code 3 and printed nothing."
    log.write_text("one\n\ntwo\n\n")
    assert failure_sentence(1, log) == "two"
    log.write_text("Epoch 1\nError: There is no target 'gap'.\n")
    assert failure_sentence(2, log) == "There is no target 'gap'."
