"""Jobs through SLURM, submitted by submitit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from matsciml_core.errors import ConfigError, MissingPackageError
from matsciml_tool_benchmark.launchers._jobs import Job, Launcher, Outcome, run_job

SETTINGS = "MATSCIML_SLURM"
"""Variable with settings of the jobs: ``partition=gpu,gpus_per_node=1,timeout_min=240``."""
EXECUTOR = "MATSCIML_SUBMITIT"
"""Variable that names another executor of submitit; ``local`` runs jobs on this machine."""
_DEFAULTS = {"timeout_min": 24 * 60, "cpus_per_task": 4}
_PAUSE = 2.0
"""Seconds between two looks at what runs."""


class SlurmLauncher(Launcher):
    """Submits each job to SLURM. The machines must see the same files as this one."""

    def __init__(self, jobs: int | None = None, folder: str = ".") -> None:
        """Prepare the submission.

        Args:
            jobs: Most jobs at a time; None: as many as SLURM allows.
            folder: Where submitit keeps its files, in a new folder within ``slurm``.
        """
        self.jobs = jobs
        submitit = _import_submitit()
        cluster = os.environ.get(EXECUTOR) or "slurm"
        try:
            self._executor = submitit.AutoExecutor(folder=_new_folder(folder), cluster=cluster)
            self._executor.update_parameters(**_parameters(), name="matsciml")
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise ConfigError(
                f"submitit refuses what {SETTINGS} and {EXECUTOR} ask for: "
                f"{' '.join(str(error).split())}"
            ) from error
        self._running: dict[Any, Job] = {}

    def __enter__(self) -> Self:
        """Submit nothing yet."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Cancel what still runs."""
        for handle in self._running:
            handle.cancel()

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run jobs, and yield how each ended, as soon as it has."""
        waiting = list(jobs)
        most = self.jobs or len(waiting)
        while waiting or self._running:
            while waiting and len(self._running) < most:
                job = waiting.pop(0)
                self._running[self._executor.submit(run_job, job)] = job
            ended = [handle for handle in self._running if handle.done()]
            for handle in ended:
                yield _outcome(handle, self._running.pop(handle))
            if not ended:
                time.sleep(_PAUSE)


def _new_folder(folder: str) -> Path:
    """Make a folder that holds nothing yet.

    submitit hands results over as pickles, by the number of the job. In a folder that somebody
    else has made, one of that name could be waiting to be read.
    """
    parent = Path(folder) / "slurm"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent))


def _outcome(handle: Any, job: Job) -> Outcome:
    error = handle.exception()
    if error is None:
        outcome: Outcome = handle.result()
        return outcome
    lines = str(error).strip().splitlines()
    problem = f"The job {handle.job_id} ended without a result: {lines[0] if lines else error!r}"
    return Outcome(key=job.key, code=1, seconds=0.0, problem=problem)


def _parameters() -> dict[str, Any]:
    """Return submitit's parameters: ours, then those that the user has set."""
    given: dict[str, Any] = {}
    for pair in filter(None, os.environ.get(SETTINGS, "").split(",")):
        name, separator, value = (part.strip() for part in pair.partition("="))
        if not separator:
            raise ConfigError(
                f"'{pair}' in {SETTINGS} is not NAME=VALUE, for example partition=gpu."
            )
        known = name in ("timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "nodes")
        given[name if known else f"slurm_{name}"] = int(value) if value.isdigit() else value
    return {**_DEFAULTS, **given}


def _import_submitit() -> Any:
    try:
        import submitit  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingPackageError(
            "The launcher 'slurm' needs submitit; install it with: pip install 'matsciml[slurm]'"
        ) from error
    return submitit
