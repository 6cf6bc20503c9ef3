"""Processes that are the leaders of their sessions: how they are started, and how stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matsciml_core.files import open_appending
from matsciml_util_launchers import watched
from matsciml_util_launchers.launcher import Job, Outcome

POLL_SECONDS = 0.1
"""Time between two looks at whether a process has ended."""
_PATIENCE = 60.0
"""Seconds that a job which is stopped may take to write a checkpoint."""


def start_job(job: Job, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a job in a session of its own, so that Ctrl-C reaches it through its launcher only.

    It ends with this process, which holds the other end of its input, see the module
    ``watched``.

    Args:
        job: What to start.
        more: Further variables of its environment; those of the job win.
    """
    open_appending(Path(job.lock)).close()  # where it is missing; the watcher makes no file
    words = [job.lock, str(_PATIENCE), json.dumps(job.commands)]
    with open_appending(Path(job.log)) as log, _unblocked_interrupts():
        return subprocess.Popen(
            [sys.executable, "-I", str(watched.__file__), *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=job.folder,
            env={**os.environ, **(more or {}), **job.environment},
            start_new_session=True,
        )


@contextlib.contextmanager
def _unblocked_interrupts() -> Iterator[None]:
    """Let processes that are started here receive SIGINT, which Ray's own processes block."""
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def run_job(job: Job) -> Outcome:
    """Run a job to its end; what launchers send to other machines."""
    started = time.monotonic()
    with start_job(job) as process:
        try:
            # Not wait(), which a cancellation that is not a signal cannot interrupt.
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
        except BaseException:  # Ctrl-C, or a cancellation, which may be of any kind
            stop_processes([process])
            raise
        code = process.returncode
    seconds = time.monotonic() - started
    return Outcome(key=job.key, code=code, seconds=seconds, machine=os.uname().nodename)


def stop_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop processes as Ctrl-C does; those that take too long are killed.

    Args:
        processes: The processes, each the leader of its session.
    """
    for process in processes:
        interrupt(process)
    deadline = time.monotonic() + _PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            # A second Ctrl-C means that the user does not want to wait for the checkpoint.
            _signal_session(process, signal.SIGKILL)
            process.wait()
        release(process)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a job as Ctrl-C does, and return at once.

    Args:
        process: The leader of its session.
    """
    _signal_session(process, signal.SIGINT)


def release(process: subprocess.Popen[bytes]) -> None:
    """Close the input of a process that has ended."""
    if process.stdin is not None:
        process.stdin.close()


def _signal_session(process: subprocess.Popen[bytes], chosen: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has ended since
            os.killpg(process.pid, chosen)
