"""How the commands of a job are run one after another, and what ends them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from matsciml_util_launchers import watched
from matsciml_util_launchers.local import LocalLauncher


def outcome(job):
    """Run a job, and return how it ended."""
    with LocalLauncher(jobs=1) as launcher:
        (ended,) = launcher.run([job])
    return ended


@pytest.mark.parametrize(("end", "code"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_the_end_of_a_command_is_the_end_of_its_job(tmp_path, make_job, end, code):
    later = tmp_path / "later"
    first, second = (f"import os, sys; {end}",), (f"open({str(later)!r}, 'w')",)
    assert outcome(make_job(first, second)).code == code
    assert not later.exists()
    assert outcome(make_job(second, second)).code == 0
    assert later.exists()


def test_a_job_whose_lock_is_held_is_not_run(tmp_path, make_job):
    job = make_job(("print('ran')",))
    with FileLock(job.lock):
        ended = outcome(job)
    assert ended.code == watched.BUSY
    assert (tmp_path / "a.txt").read_text().startswith("Error: Another process works on this")


def test_commands_that_ignore_ctrl_c_are_killed(tmp_path, until):
    lock, started = tmp_path / ".lock", tmp_path / "started"
    lock.touch()
    script = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(600)\n"
    )
    commands = json.dumps([[sys.executable, "-c", script, str(started)]])
    process = subprocess.Popen(
        [sys.executable, "-I", watched.__file__, str(lock), "0.2", commands],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    until(started.exists, "the command did not start")
    process.stdin.close()
    assert process.wait(300) == -signal.SIGKILL
    with FileLock(lock, timeout=300):
        pass
