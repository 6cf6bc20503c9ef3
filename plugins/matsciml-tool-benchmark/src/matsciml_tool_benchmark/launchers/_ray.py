"""Jobs on a Ray cluster: this machine by itself, or all machines that ``ray start`` has joined."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Self

from matsciml_core.errors import MissingPackageError
from matsciml_tool_benchmark.launchers._jobs import Job, Launcher, Outcome, run_job

_PATIENCE = 90.0
"""Seconds that jobs which are stopped may take to write a checkpoint."""


class RayLauncher(Launcher):
    """Hands jobs to Ray, which places each on a machine with a free core, or a free GPU.

    ``RAY_ADDRESS`` names the cluster (``auto``: the one that this machine belongs to); without it
    a cluster of this machine alone is started and ended with the launcher. All machines must see
    the same files: environment, data and results.
    """

    def __init__(self, jobs: int | None = None, folder: str = ".") -> None:
        """Remember how many jobs may run at a time.

        Args:
            jobs: Most jobs at a time; None: as many as the cluster has cores, or GPUs.
            folder: Not needed.
        """
        del folder
        self.jobs = jobs
        self._ray = _import_ray()
        self._running: dict[Any, Job] = {}

    def __enter__(self) -> Self:
        """Connect to the cluster, or start one."""
        if "RAY_ADDRESS" in os.environ:
            self._ray.init(log_to_driver=False, logging_level="warning")
        else:
            self._ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level="warning",
            )
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop what still runs, as Ctrl-C does, and leave the cluster."""
        for handle in self._running:
            self._ray.cancel(handle)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_PATIENCE)
        self._ray.shutdown()

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run jobs, and yield how each ended, as soon as it has."""
        remote = self._ray.remote(max_retries=0)(run_job)
        needs = self._needs()
        waiting = list(jobs)
        most = self.jobs or len(waiting)
        while waiting or self._running:
            while waiting and len(self._running) < most:
                job = waiting.pop(0)
                self._running[remote.options(**needs).remote(job)] = job
            (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
            yield self._outcome(done, self._running.pop(done))

    def _needs(self) -> dict[str, int]:
        """Return what a job takes of the cluster: a GPU where there are any, else a core."""
        gpus = self._ray.cluster_resources().get("GPU", 0)
        return {"num_cpus": 1, "num_gpus": 1} if gpus else {"num_cpus": 1}

    def _outcome(self, done: Any, job: Job) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            problem = f"Ray could not run it: {str(error).strip().splitlines()[0]}"
            return Outcome(key=job.key, code=1, seconds=0.0, problem=problem)
        return outcome


def _import_ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise MissingPackageError(
            "The launcher 'ray' needs Ray; install it with: pip install 'matsciml[ray]'"
        ) from error
    return ray
