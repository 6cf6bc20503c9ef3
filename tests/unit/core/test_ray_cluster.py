"""A cluster of Ray that does not start in time is started again, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from matsciml_core import ray_cluster
from matsciml_core.errors import ConfigError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux lists the children.")


@pytest.fixture
def started():
    """The processes that the fake Ray has started, all of which have ended when a test ends."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def failing(started, failures, error):
    """Return a Ray whose first starts fail, and leave a process each."""

    def init(**options):
        assert options == {"address": "local"}
        started.append(subprocess.Popen(["sleep", "600"]))
        if len(started) <= failures:
            raise error

    return SimpleNamespace(init=init)


SLOW = Exception("The current node timed out during startup. This could happen because …")


def test_a_slow_start_is_repeated_after_its_processes_have_ended(started):
    ray_cluster.connect(failing(started, 2, SLOW), address="local")
    assert len(started) == 3
    assert [process.poll() is None for process in started] == [False, False, True]


def test_starts_that_are_always_slow_end_in_a_sentence(started):
    with pytest.raises(ConfigError, match=r"did not start in time, 5 times.*leave --launcher away"):
        ray_cluster.connect(failing(started, 100, SLOW), address="local")
    assert len(started) == 5
    assert all(process.poll() is not None for process in started)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no such address")])
def test_what_else_fails_is_not_repeated(started, error):
    with pytest.raises(type(error)):
        ray_cluster.connect(failing(started, 1, error), address="local")
    assert len(started) == 1
    assert started[0].poll() is not None


def test_processes_that_were_there_before_stay(started):
    mine = subprocess.Popen(["sleep", "600"])
    with pytest.raises(ValueError, match="no such"):
        ray_cluster.connect(failing(started, 1, ValueError("no such address")), address="local")
    assert mine.poll() is None
    mine.kill()
    mine.wait()
