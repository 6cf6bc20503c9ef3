"""Jobs on a Ray cluster: this machine by itself, or all machines that ``ray start`` has joined."""

from __future__ import annotations

import os
import secrets
from collections.abc import MutableMapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Self

from matsciml_core.errors import MissingPackageError
from matsciml_core.ray_cluster import connect
from matsciml_util_launchers.launcher import Job, Launcher, Outcome
from matsciml_util_launchers.processes import run_job

_PATIENCE = 90.0
"""Seconds that jobs which are stopped may take to write a checkpoint."""

_POLL_SECONDS = 1.0
"""Longest wait for a job, after which whoever started it may look at it, or stop it."""


def _require_token(environment: MutableMapping[str, str]) -> None:
    """Let the cluster of this machine run programs of those alone who have its token.

    Ray listens on all interfaces, also where its node is told to be 127.0.0.1. The token is one of
    this process and its jobs; one that the user has set stays.
    """
    environment.setdefault("RAY_AUTH_MODE", "token")
    if environment["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in environment:
        environment.setdefault("RAY_AUTH_TOKEN", _token())


@cache
def _token() -> str:
    """Return a random token, the same as long as the process lives: Ray keeps the first it sees."""
    return secrets.token_hex(32)


class RayLauncher(Launcher):
    """Hands jobs to Ray, which places each on a machine with a free core, or a free GPU.

    ``RAY_ADDRESS`` names the cluster (``auto``: the one that this machine belongs to); without it
    a cluster of this machine alone is started and ended with the launcher. All machines must see
    the same files: environment, data and results.
    """

    def __init__(self, jobs: int | None = None, folder: str = ".") -> None:
        """Import Ray.

        Args:
            jobs: Most jobs at a time; None: as many as the cluster has cores, or GPUs.
            folder: Not needed.

        Raises:
            MissingPackageError: Ray is not installed.
        """
        del folder
        super().__init__(jobs)
        if "RAY_ADDRESS" not in os.environ:
            _require_token(os.environ)  # before Ray is imported
        try:
            self._ray: Any = import_module("ray")
        except ImportError as error:
            raise MissingPackageError(
                "The launcher 'ray' needs Ray; install it with: "
                "pip install 'matsciml-util-launchers[ray]'"
            ) from error
        self._task: Any = None

    def __enter__(self) -> Self:
        """Connect to the cluster, or start one.

        Raises:
            ConfigError: The machine is too busy to start one.
        """
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
        if "RAY_ADDRESS" not in os.environ:
            options |= {"address": "local", "include_dashboard": False}
        # Ray's own log would mix with the progress; a job has a log of its own.
        connect(self._ray, **options)
        # A job takes a GPU where the cluster has any, else a core. Ray must not repeat one that
        # failed: who submits jobs does so, and knows what is already done.
        gpus = 1 if self._ray.cluster_resources().get("GPU", 0) else 0
        self._task = self._ray.remote(max_retries=0, num_cpus=1, num_gpus=gpus)(run_job)
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop what still runs, as Ctrl-C does, and leave the cluster."""
        handles = list(self.running)
        for handle in handles:
            self._ray.cancel(handle)
        if handles:
            self._ray.wait(handles, num_returns=len(handles), timeout=_PATIENCE)
        self._ray.shutdown()

    def submit(self, job: Job) -> Any:
        """Hand a job to the cluster."""
        return self._task.remote(job)

    def wait(self) -> Sequence[Any]:
        """Wait until a job has ended, or for a moment."""
        ended, _ = self._ray.wait(list(self.running), num_returns=1, timeout=_POLL_SECONDS)
        return list(ended)

    def cancel(self, handle: Any) -> None:
        """Interrupt a job, or take it out of the queue."""
        self._ray.cancel(handle)

    def outcome(self, handle: Any, job: Job) -> Outcome:
        """Return what the worker returned, or why it could not."""
        try:
            outcome: Outcome = self._ray.get(handle)
        except self._ray.exceptions.RayError as error:
            problem = f"Ray could not run it: {str(error).strip().splitlines()[0]}"
            return Outcome(key=job.key, code=1, seconds=0.0, problem=problem)
        return outcome
