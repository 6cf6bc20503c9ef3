"""Jobs on this machine, in processes of their own that share its cores and GPUs."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from matsciml_core.cores import available_cores
from matsciml_tool_benchmark.launchers._jobs import (
    Job,
    Launcher,
    Outcome,
    start_job,
    stop_processes,
)

_PAUSE = 0.1
"""Seconds between two looks at what runs."""
_MEMORY = 2.0
"""GiB that a training run needs at least: Python, torch, data and a small model."""
_Running = dict[int, tuple[Job, "subprocess.Popen[bytes]", float]]
"""Slot → job, process, and when it was started."""


class LocalLauncher(Launcher):
    """Runs jobs side by side.

    Without GPUs there is a job per core, each with one thread, as long as the memory lasts: small
    networks gain little from a second thread. With GPUs there is a job per GPU.
    """

    def __init__(self, jobs: int | None = None, folder: str = ".") -> None:
        """Decide how many jobs run at a time.

        Args:
            jobs: Most jobs at a time; None: as many as there is room for.
            folder: Not needed.
        """
        del folder
        self.gpus = visible_gpus()
        self.slots = jobs or (len(self.gpus) or _room())
        self._running: _Running = {}

    def __exit__(self, *raised: object) -> None:
        """Stop what still runs."""
        stop_processes([process for _, process, _ in self._running.values()])
        self._running.clear()

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run jobs, and yield how each ended, as soon as it has."""
        waiting = deque(jobs)
        while waiting or self._running:
            for slot in range(self.slots):
                if waiting and slot not in self._running:
                    job = waiting.popleft()
                    process = start_job(job, self.environment(slot))
                    self._running[slot] = job, process, time.monotonic()
            ended = [slot for slot, one in self._running.items() if one[1].poll() is not None]
            for slot in ended:
                job, process, started = self._running.pop(slot)
                seconds = time.monotonic() - started
                yield Outcome(key=job.key, code=process.returncode, seconds=seconds)
            if not ended:
                time.sleep(_PAUSE)

    def environment(self, slot: int) -> dict[str, str]:
        """Return what splits cores and GPUs between the jobs; what the user has set is kept."""
        share = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(self.threads)}
        if self.gpus:
            share["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return share

    @property
    def threads(self) -> int:
        """Threads of each job."""
        return max(1, available_cores() // self.slots)


def visible_gpus() -> list[str]:
    """Return the GPUs that jobs may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [one for one in chosen.split(",") if one.strip() not in ("", "-1")]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(place) for place, _ in enumerate(sorted(folder.glob("*")))]


def _room() -> int:
    """Return how many jobs cores and memory have room for."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return available_cores()
    return max(1, min(available_cores(), int(memory / _MEMORY)))
