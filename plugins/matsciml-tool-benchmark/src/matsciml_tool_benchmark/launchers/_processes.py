"""Processes that are the leaders of their sessions: how they are started, and how stopped."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matsciml_core.files import open_appending
from matsciml_tool_benchmark.launchers._launcher import Job, Outcome

POLL_SECONDS = 0.1
"""Time between two looks at whether a process has ended."""


def start_job(job: Job, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a job in a session of its own, so that Ctrl-C reaches it through its launcher only.

    Args:
        job: What to start.
        more: Further variables of its environment; those of the job win.
    """
    # A shell runs several commands as one process, which the launcher can stop as one.
    script = " && ".join(shlex.join(words) for words in job.commands)
    command = list(job.commands[0]) if len(job.commands) == 1 else ["sh", "-c", script]
    with open_appending(Path(job.log)) as log, _unblocked_interrupts():
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
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


def stop_processes(processes: Sequence[subprocess.Popen[bytes]], patience: float = 60.0) -> None:
    """Stop processes as Ctrl-C does; those that take too long are killed.

    Args:
        processes: The processes, each the leader of its session.
        patience: Seconds to wait for a checkpoint to be written.
    """
    for process in processes:
        _signal_session(process, signal.SIGINT)
    deadline = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            # A second Ctrl-C means that the user does not want to wait for the checkpoint.
            _signal_session(process, signal.SIGKILL)
            process.wait()


def _signal_session(process: subprocess.Popen[bytes], chosen: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has ended since
            os.killpg(process.pid, chosen)
