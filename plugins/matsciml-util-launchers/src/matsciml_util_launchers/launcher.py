"""What a launcher is: it runs jobs, several at a time, and says how each ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Job:
    """Commands to run, one after another; the first that fails ends the job.

    A job is a process of its own, so that a crash or a full memory ends it alone.
    """

    key: str
    """Tells the jobs of one launcher apart."""
    commands: tuple[tuple[str, ...], ...]
    log: str
    """File that receives the output of the commands; its folder exists."""
    lock: str
    """File that is locked while one of the commands runs; its folder exists."""
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
    machine: str = ""
    """The machine it ran on, where that is not this one."""
    problem: str = ""
    """Why it could not be run at all, in a sentence; empty: it ran."""


class Launcher(ABC):
    """Runs jobs, several at a time.

    Entering the context connects to what runs them. Leaving it stops what still runs: first as
    Ctrl-C would, so that a checkpoint is written, then for good.
    """

    def __init__(self, jobs: int | None) -> None:
        """Set the limit.

        Args:
            jobs: Most jobs at a time; None: whatever runs them decides how many it starts.
        """
        self.jobs = jobs
        self.running: dict[Any, Job] = {}
        """Handle, as :meth:`submit` returned it → job."""

    def __enter__(self) -> Self:
        """Connect; the default has nothing to connect to."""
        return self

    @abstractmethod
    def __exit__(self, *raised: object) -> None:
        """Stop what still runs."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run jobs, and yield how each ended, as soon as it has."""
        waiting = deque(jobs)
        # Without a limit of ours all are submitted at once: the cluster queues them.
        limit = self.jobs or len(waiting)
        while waiting or self.running:
            while waiting and len(self.running) < limit:
                job = waiting.popleft()
                self.running[self.submit(job)] = job
            for handle in self.wait():
                yield self.outcome(handle, self.running.pop(handle))

    @abstractmethod
    def submit(self, job: Job) -> Any:
        """Start a job, or queue it, and return its handle, which can be hashed."""

    @abstractmethod
    def wait(self) -> Sequence[Any]:
        """Wait until a job has ended, or for a moment; return the handles of those that have."""

    @abstractmethod
    def cancel(self, handle: Any) -> None:
        """Stop a job as Ctrl-C does, and return at once; it still counts as running until it ends.

        Args:
            handle: As :meth:`submit` returned it.
        """

    @abstractmethod
    def outcome(self, handle: Any, job: Job) -> Outcome:
        """Return how a job that has ended did so."""
