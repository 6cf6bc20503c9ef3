"""A benchmark that is killed leaves nothing behind that goes on, and nothing runs twice."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import threading
import time

import pytest
from filelock import FileLock

from matsciml_core.files import write_json
from matsciml_core.training import after_fit
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.running import run_experiments
from matsciml_util_launchers.choice import open_launcher


@pytest.fixture
def waiting(make_table):
    """An experiment whose run waits for Ctrl-C, and finishes when it is resumed."""
    (experiment,) = plan(make_table(encoders={"net": {"told": "wait"}}), "mini")
    return experiment


def fill(experiment, folder, tell=lambda sentence: None):
    """Run the experiment where it has not finished; return its status where it was run."""
    ended = []
    launcher = open_launcher("local", jobs=1)
    run_experiments(
        [experiment], folder, launcher, lambda progress: ended.append(progress.status), tell
    )
    return ended


def until(holds, what):
    """Wait until something holds."""
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def killed(experiment, folder):
    """Fill the table in a process that is killed once the run has a checkpoint."""
    process = multiprocessing.get_context("fork").Process(target=fill, args=(experiment, folder))
    process.start()
    checkpoint = folder.of(experiment) / "latest" / "checkpoints" / "last.ckpt"
    until(checkpoint.exists, "the run has no checkpoint")
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_benchmark_is_gone_on_with(waiting, folder):
    killed(waiting, folder)
    (status,) = fill(waiting, folder)
    assert status.state == "finished"
    cell = folder.of(waiting)
    assert [path.name for path in cell.glob("run-*")] == ["run-0"]
    assert (cell / "run-0" / "calls.txt").read_text() == "--config\n--resume\n"


def test_its_runs_end_with_it(waiting, folder):
    killed(waiting, folder)
    # Free before the ten minutes are over that the fake run would wait.
    with FileLock(folder.of(waiting) / ".lock", timeout=300):
        pass


def test_a_rerun_waits_for_what_still_runs(waiting, folder):
    """As where the process that watches over a run was killed too."""
    cell = folder.of(waiting)
    cell.mkdir(parents=True)
    held, said = os.open(cell / ".lock", os.O_RDWR | os.O_CREAT), []
    fcntl.flock(held, fcntl.LOCK_EX)  # what a command inherits

    def tell(sentence):
        said.append(sentence)
        assert not list(cell.glob("run-*"))
        threading.Timer(0.1, os.close, [held]).start()

    waiting.config["encoder"]["told"] = ""
    (status,) = fill(waiting, folder, tell)
    assert status.state == "finished"
    assert said == ["gap/net/seed-0: waiting for what an earlier call started, until it has ended."]


def test_a_run_that_was_killed_while_its_report_was_written_gets_it(waiting, folder):
    waiting.config["encoder"]["told"] = ""
    (status,) = fill(waiting, folder)
    write_json(status.run / after_fit.SEGMENTS, {})
    after_fit.begin(status.run)
    (again,) = fill(waiting, folder)
    assert (again.state, again.run) == ("finished", status.run)
    assert (again.run / "calls.txt").read_text() == "--config\n--resume\n"
    assert fill(waiting, folder) == []


def test_what_finished_meanwhile_is_not_run_again(waiting, folder):
    waiting.config["encoder"]["told"] = ""
    assert len(fill(waiting, folder)) == 1
    assert fill(waiting, folder) == []
