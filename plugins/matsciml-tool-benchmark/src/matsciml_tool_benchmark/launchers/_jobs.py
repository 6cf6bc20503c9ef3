"""A job is a process of its own, so that a crash or a full memory ends it alone."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_PAUSE = 0.1
"""Seconds between two looks at whether a job has ended."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Commands to run, one after another; the first that fails ends the job."""

    key: str
    """Says which job it is; unique among the jobs of one launcher."""
    commands: tuple[tuple[str, ...], ...]
    log: str
    """File that receives what the commands print; its folder exists."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables to set beside those that the process has anyway."""
    folder: str = "."
    """Working folder."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended."""

    key: str
    code: int
    """Exit code; negative: the number of the signal that ended it."""
    seconds: float
    where: str = ""
    """The machine it ran on, where that is not this one."""
    problem: str = ""
    """Why it could not be run at all, in a sentence; empty: it ran."""


class Launcher(AbstractContextManager["Launcher"], Protocol):
    """Runs jobs, several at a time.

    Leaving the context stops what still runs: first as Ctrl-C would, so that a checkpoint is
    written, then for good.
    """

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run jobs, and yield how each ended, as soon as it has."""
        ...


def start_job(job: Job, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a job in a session of its own, so that Ctrl-C reaches it through its launcher only."""
    with Path(job.log).open("ab") as log, _heeding_interrupts():
        return subprocess.Popen(
            _as_one(job.commands),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=job.folder,
            env={**os.environ, **(more or {}), **job.environment},
            start_new_session=True,
        )


@contextlib.contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Let processes that are started here receive SIGINT, which Ray's own processes block."""
    held = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _as_one(commands: Sequence[Sequence[str]]) -> list[str]:
    """Return one command that does what several do in turn."""
    if len(commands) == 1:
        return list(commands[0])
    return ["sh", "-c", " && ".join(shlex.join(words) for words in commands)]


def run_job(job: Job) -> Outcome:
    """Run a job to its end; what launchers send to other machines."""
    started = time.monotonic()
    with start_job(job) as process:
        try:
            # Not wait(), which a cancellation that is no signal cannot interrupt.
            while process.poll() is None:
                time.sleep(_PAUSE)
        except BaseException:  # Ctrl-C, or a cancellation, which may be of any kind
            stop_processes([process])
            raise
        code = process.returncode
    where = os.uname().nodename
    return Outcome(key=job.key, code=code, seconds=time.monotonic() - started, where=where)


def stop_processes(processes: Sequence[subprocess.Popen[bytes]], patience: float = 60.0) -> None:
    """Stop processes as Ctrl-C does; those that take too long are killed.

    Args:
        processes: The processes, each the leader of its session.
        patience: Seconds to wait for a checkpoint to be written.
    """
    for process in processes:
        _signal_group(process, signal.SIGINT)
    deadline = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
