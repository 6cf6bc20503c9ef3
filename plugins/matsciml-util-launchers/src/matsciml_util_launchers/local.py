"""Jobs on this machine, in processes of their own that share its cores and GPUs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matsciml_core.cores import available_cores
from matsciml_util_launchers.launcher import Job, Launcher, Outcome
from matsciml_util_launchers.processes import (
    POLL_SECONDS,
    interrupt,
    release,
    start_job,
    stop_processes,
)

_MEMORY = 2.0
"""GiB that a training run needs at least: Python, torch, data and a small model."""


@dataclass(eq=False)
class _Process:
    """A process in one of the launcher's slots; compared and hashed by identity."""

    process: subprocess.Popen[bytes]
    slot: int
    started: float
    """Time of the monotonic clock, s."""


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
        self.slots = jobs or len(self.gpus) or _slots_without_gpus()
        super().__init__(self.slots)

    def __exit__(self, *raised: object) -> None:
        """Stop what still runs."""
        stop_processes([handle.process for handle in self.running])
        self.running.clear()

    def submit(self, job: Job) -> _Process:
        """Start a job in a free slot."""
        taken = {handle.slot for handle in self.running}
        slot = next(slot for slot in range(self.slots) if slot not in taken)
        return _Process(start_job(job, self.environment(slot)), slot, time.monotonic())

    def wait(self) -> Sequence[_Process]:
        """Return the processes that have ended; after a moment where none has."""
        ended = [handle for handle in list(self.running) if handle.process.poll() is not None]
        if not ended:
            time.sleep(POLL_SECONDS)
        return ended

    def cancel(self, handle: _Process) -> None:
        """Interrupt a job."""
        interrupt(handle.process)

    def outcome(self, handle: _Process, job: Job) -> Outcome:
        """Return the exit code and the time of a process."""
        seconds = time.monotonic() - handle.started
        release(handle.process)
        return Outcome(key=job.key, code=handle.process.returncode, seconds=seconds)

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables that share cores and GPUs between jobs; the user's own win."""
        variables = {}
        if "OMP_NUM_THREADS" not in os.environ:
            variables["OMP_NUM_THREADS"] = str(max(1, available_cores() // self.slots))
        if self.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return variables


def visible_gpus() -> list[str]:
    """Return the GPUs that jobs may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [device for device in chosen.split(",") if device.strip() not in ("", "-1")]
    # Asking CUDA would import torch and open a context on every device.
    devices = Path("/proc/driver/nvidia/gpus").glob("*")
    return [str(index) for index, _ in enumerate(devices)]


def _slots_without_gpus() -> int:
    """Return how many jobs cores and memory have room for."""
    cores = available_cores()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30  # GiB
    except (AttributeError, ValueError, OSError):  # not every system says
        return cores
    return max(1, min(cores, int(memory / _MEMORY)))
