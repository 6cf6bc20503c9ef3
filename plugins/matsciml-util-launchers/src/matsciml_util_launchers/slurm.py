"""Jobs through SLURM, submitted by submitit."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from matsciml_core.errors import ConfigError, MissingPackageError
from matsciml_util_launchers.launcher import Job, Launcher, Outcome
from matsciml_util_launchers.processes import run_job

SETTINGS = "MATSCIML_SLURM"
"""Variable with settings of the jobs: ``partition=gpu,gpus_per_node=1,timeout_min=240``."""
EXECUTOR = "MATSCIML_SUBMITIT"
"""Variable that names another executor of submitit; ``local`` runs jobs on this machine."""
_DEFAULTS = {"timeout_min": 24 * 60, "cpus_per_task": 4}
_COMMON = ("timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "nodes")
"""Parameters that submitit has for every executor; others are options of ``sbatch``."""
_POLL_SECONDS = 2.0
"""Time between two looks at the jobs; each may ask the accounting of SLURM."""


class SlurmLauncher(Launcher):
    """Submits each job to SLURM. The machines must see the same files as this one."""

    def __init__(self, jobs: int | None = None, folder: str = ".") -> None:
        """Prepare the submission.

        Args:
            jobs: Most jobs at a time; None: as many as SLURM allows.
            folder: Where submitit keeps its files, in a new folder within ``slurm``.

        Raises:
            MissingPackageError: submitit is not installed.
            ConfigError: There is no SLURM here, or a setting is not one of its.
        """
        super().__init__(jobs)
        try:
            submitit: Any = import_module("submitit")
        except ImportError as error:
            raise MissingPackageError(
                "The launcher 'slurm' needs submitit; install it with: "
                "pip install 'matsciml-util-launchers[slurm]'"
            ) from error
        parameters = parameters_of(os.environ.get(SETTINGS, ""))
        cluster = os.environ.get(EXECUTOR) or "slurm"
        try:
            self.executor: Any = submitit.AutoExecutor(folder=_new_folder(folder), cluster=cluster)
            self.executor.update_parameters(**parameters, name="matsciml")
        # submitit raises each of these for a wrong setting, or where there is no SLURM.
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise ConfigError(
                f"submitit rejects the settings of {SETTINGS} and {EXECUTOR}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def __exit__(self, *raised: object) -> None:
        """Cancel what still runs."""
        for handle in self.running:
            self.cancel(handle)

    def submit(self, job: Job) -> Any:
        """Submit a job."""
        return self.executor.submit(run_job, job)

    def wait(self) -> Sequence[Any]:
        """Return the jobs that have ended; after a moment where none has."""
        ended = [handle for handle in self.running if handle.done()]
        if not ended:
            time.sleep(_POLL_SECONDS)
        return ended

    def cancel(self, handle: Any) -> None:
        """Cancel a job."""
        handle.cancel()

    def outcome(self, handle: Any, job: Job) -> Outcome:
        """Return what the job returned, or why it could not."""
        error = handle.exception()
        if error is None:
            outcome: Outcome = handle.result()
            return outcome
        lines = str(error).strip().splitlines()
        problem = f"The job {handle.job_id} has no result: {lines[0] if lines else repr(error)}"
        return Outcome(key=job.key, code=1, seconds=0.0, problem=problem)


def _new_folder(folder: str) -> Path:
    """Make an empty folder.

    submitit hands results over as pickles named by the number of the job. In a folder that was
    there before, a foreign file of that name could be waiting to be loaded.
    """
    parent = Path(folder) / "slurm"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent))


def parameters_of(settings: str) -> dict[str, Any]:
    """Return submitit's parameters: the defaults, then those that the user has set.

    Args:
        settings: ``NAME=VALUE`` pairs, joined by commas.

    Raises:
        ConfigError: One of them is not such a pair.

    >>> parameters_of("timeout_min=60,partition=gpu")
    {'timeout_min': 60, 'cpus_per_task': 4, 'slurm_partition': 'gpu'}
    """
    parameters: dict[str, Any] = dict(_DEFAULTS)
    for pair in filter(None, settings.split(",")):
        name, separator, value = (text.strip() for text in pair.partition("="))
        if not separator:
            raise ConfigError(
                f"'{pair}' in {SETTINGS} is not NAME=VALUE, for example partition=gpu."
            )
        # submitit passes options of sbatch on where they are marked as such.
        key = name if name in _COMMON else f"slurm_{name}"
        parameters[key] = int(value) if value.isdigit() else value
    return parameters
