"""A sweep: what is searched, by what trials are compared, and the folder that holds it all."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object, write_whole
from matsciml_core.model.latest import LATEST, follow_latest
from matsciml_core.training import after_fit
from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.space import Axis, configured
from matsciml_tool_sweep.trials import Trial
from matsciml_util_launchers.launcher import Job
from matsciml_util_launchers.runs import own_variables, program
from matsciml_util_pages.finished_runs import SUMMARY

JOURNAL = "journal.log"
TRIALS = "trials"
LOG = "log.txt"
BEST = "best.yaml"
_CONFIG = "trial.yaml"
_LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A search for settings, in one folder."""

    data: Mapping[str, Any]
    """The configuration of the runs as plain data, without what is varied."""
    axes: Sequence[Axis]
    metric: Metric
    path: Path
    """The folder."""
    seed: int = 0
    patience: int | None = None
    """Epochs that every trial has before it may be stopped; None: none is stopped."""
    command: str = ""
    """What continues the sweep."""
    program: tuple[str, ...] = ()
    """What runs ``matsciml``; empty: that of this environment."""

    @property
    def journal(self) -> Path:
        """The file that remembers which settings were tried."""
        return self.path / JOURNAL

    def folder(self, trial: Trial) -> Path:
        """Return the folder of a trial."""
        return self.path / TRIALS / f"{trial.number:04d}"

    def lock(self, trial: Trial) -> Path:
        """Return the file that is locked while a trial runs."""
        return self.folder(trial) / _LOCK

    def log(self, trial: Trial) -> Path:
        """Return the file with the output of a trial's run."""
        return self.folder(trial) / LOG

    def run(self, trial: Trial) -> Path | None:
        """Return the run folder of a trial; None: there is none yet."""
        run = follow_latest(self.folder(trial) / LATEST)
        return run.resolve() if run.is_dir() else None

    def finished_run(self, trial: Trial) -> Path | None:
        """Return the run folder of a trial, where the run has finished."""
        run = self.run(trial)
        if run is None or (read_object(run / SUMMARY) or {}).get("status") != "finished":
            return None
        return run

    def config(self, trial: Trial) -> dict[str, Any]:
        """Return the configuration of a trial's run as plain data."""
        data = configured(self.data, trial.settings)
        data.pop("output", None)
        return data

    def job(self, trial: Trial) -> Job:
        """Write the configuration of a trial, and return the job that trains it.

        A run that was interrupted continues from its last checkpoint, or gets its report.
        """
        folder, run = self.folder(trial), self.run(trial)
        folder.mkdir(parents=True, exist_ok=True)
        if run is not None and (
            any((run / "checkpoints").glob("*.ckpt")) or after_fit.is_outstanding(run)
        ):
            words: tuple[str, ...] = ("run", "--resume", str(run))
        else:
            data = copy.deepcopy(self.config(trial))
            # Baselines without a network are the same for every trial, and take their time.
            data.setdefault("training", {}).setdefault("baseline_crystals", 0)
            write_whole(folder / _CONFIG, to_yaml(data).encode())
            (folder / LOG).unlink(missing_ok=True)
            (folder / LATEST).unlink(missing_ok=True)
            words = ("run", "--config", str(folder / _CONFIG), "--output", str(folder))
        return Job(
            key=str(trial.number),
            commands=((*(self.program or program()), *words),),
            log=str(folder / LOG),
            lock=str(folder / _LOCK),
            environment=own_variables(),
        )


def folder_name(data: Mapping[str, Any], axes: Sequence[Axis], metric: Metric) -> str:
    """Return the name of a sweep's folder, by which the same command finds it again.

    Args:
        data: The configuration of the runs.
        axes: What is varied.
        metric: By what trials are compared.

    Returns:
        ``sweep``, datasets, encoder, and digits that stand for all that is searched.
    """
    whole = [data, {axis.key: axis.text for axis in axes}, metric.name]
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, default=str)
    datasets = "+".join(item["name"] for item in data.get("datasets", ()))
    encoder = (data.get("encoder") or {}).get("name", "encoders")
    digits = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"sweep-{datasets}-{encoder}-{digits}".replace("/", "_")


def to_yaml(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML, in its order."""
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)


@contextmanager
def working_on(path: Path) -> Iterator[None]:
    """Keep two processes from working on one sweep at a time.

    Args:
        path: The folder of the sweep; made where it is missing.

    Raises:
        ConfigError: Another process works on it.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process works on '{path}'; wait for it, or name another folder with --output."
        ) from error
    try:
        yield
    finally:
        lock.release()
