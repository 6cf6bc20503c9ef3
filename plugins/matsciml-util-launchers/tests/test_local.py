"""Jobs of this machine run side by side, share its cores and GPUs, and end with their launcher."""

from __future__ import annotations

import threading
import time

import pytest

from matsciml_core.errors import ConfigError
from matsciml_util_launchers.choice import open_launcher
from matsciml_util_launchers.local import LocalLauncher

TOUCH_AND_SLEEP = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


def test_jobs_run_side_by_side(tmp_path, make_job):
    script = (
        "import pathlib, sys, time\n"
        "mine, other = map(pathlib.Path, sys.argv[1:])\n"
        "mine.touch()\n"
        "while not other.exists(): time.sleep(0.02)\n"
    )
    names = [str(tmp_path / "first"), str(tmp_path / "second")]
    jobs = [
        make_job((script, *order), key=key)
        for key, order in zip("ab", (names, names[::-1]), strict=True)
    ]
    with open_launcher("local", jobs=2) as launcher:
        assert [outcome.code for outcome in launcher.run(jobs)] == [0, 0]


def test_cores_are_split_between_the_jobs(tmp_path, make_job, monkeypatch):
    monkeypatch.setattr("matsciml_util_launchers.local.available_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = make_job(("import os; print(os.environ['OMP_NUM_THREADS'])",))
    with open_launcher("local", jobs=2) as launcher:
        list(launcher.run([job]))
    assert (tmp_path / "a.txt").read_text() == "3\n"


def test_threads_that_the_user_chose_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS" not in LocalLauncher(jobs=2).environment(0)


def test_gpus_go_round(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    launcher = LocalLauncher()
    assert launcher.slots == 2
    shares = [launcher.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert shares == ["4", "6", "4"]


def test_leaving_a_launcher_ends_its_jobs(tmp_path, make_job, until):
    started = tmp_path / "started"
    job = make_job((TOUCH_AND_SLEEP, str(started)))
    begin = time.monotonic()
    with open_launcher("local", jobs=1) as launcher:
        outcomes = launcher.run([job])
        threading.Thread(target=lambda: next(outcomes, None), daemon=True).start()
        until(started.exists, "the job did not start")
    assert time.monotonic() - begin < 30


def test_a_job_is_cancelled_as_by_ctrl_c_and_others_go_on(tmp_path, make_job, until):
    script = (
        "import pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "try: time.sleep(600)\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    first, second = tmp_path / "first", tmp_path / "second"
    with open_launcher("local", jobs=2) as launcher:
        hopeless = launcher.submit(make_job((script, str(first)), key="a"))
        launcher.running[hopeless] = make_job((script, str(first)), key="a")
        other = launcher.submit(make_job((script, str(second)), key="b"))
        launcher.running[other] = make_job((script, str(second)), key="b")
        until(lambda: first.exists() and second.exists(), "the jobs did not start")
        launcher.cancel(hopeless)
        ended = []
        until(lambda: ended.extend(launcher.wait()) or bool(ended), "the job did not end")
        assert ended == [hopeless]
        assert launcher.outcome(hopeless, launcher.running.pop(hopeless)).code == 130


def test_an_unknown_launcher_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no launcher 'slurn'.*'slurm'"):
        open_launcher("slurn")
