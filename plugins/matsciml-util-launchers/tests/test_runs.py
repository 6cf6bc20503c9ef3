"""How runs of ``matsciml`` are waited for, and how their ends read."""

from __future__ import annotations

import os
import signal

import pytest
from filelock import FileLock

from matsciml_util_launchers.runs import failure_sentence, stoppable, wait_until_free


def test_the_reason_of_a_failure_is_its_error_or_its_last_line(tmp_path):
    log = tmp_path / "log.txt"
    assert failure_sentence(3, log) == "It ended with the code 3 and printed nothing."
    log.write_text("one\n\ntwo\n\n")
    assert failure_sentence(1, log) == "two"
    log.write_text("Epoch 1\nError: There is no target 'gap'.\n")
    assert failure_sentence(2, log) == "There is no target 'gap'."


def test_a_lock_that_is_held_is_waited_for(tmp_path):
    lock = FileLock(tmp_path / ".lock")
    lock.acquire()
    # Whoever holds it ends while it is waited for.
    wait_until_free(tmp_path / ".lock", lock.release)
    assert not lock.is_locked


def test_nothing_is_waited_for_where_no_job_has_run(tmp_path):
    wait_until_free(tmp_path / ".lock", lambda: pytest.fail("nothing holds it"))


def test_a_termination_is_an_interruption():
    with pytest.raises(KeyboardInterrupt), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
