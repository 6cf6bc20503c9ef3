"""Run the experiments of a table that have not finished yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from matsciml_core.errors import ConfigError
from matsciml_tool_benchmark.experiments import Experiment
from matsciml_tool_benchmark.table_folder import Status, TableFolder
from matsciml_util_launchers.launcher import Launcher
from matsciml_util_launchers.runs import stoppable


@dataclass(frozen=True, kw_only=True)
class Progress:
    """An experiment that has just ended."""

    experiment: Experiment
    status: Status
    seconds: float
    done: int
    """Experiments that have ended in this call, this one included."""
    total: int
    """Experiments that this call runs."""


def run_experiments(
    experiments: Sequence[Experiment],
    folder: TableFolder,
    launcher: Launcher,
    after_each: Callable[[Progress], Any],
    tell: Callable[[str], object] = lambda sentence: None,
) -> None:
    """Run experiments; one that fails does not keep the others from running.

    Args:
        experiments: What to run; what an earlier call still finishes is left out.
        folder: The folder of the table.
        launcher: Where to run it.
        after_each: Called when an experiment has ended.
        tell: Receives a sentence where processes of an earlier call are waited for.

    Raises:
        ConfigError: Another process works in the folder.
        KeyboardInterrupt: The user pressed Ctrl-C, or this process was told to end. What has
            finished stays; what ran was stopped, with a checkpoint where it had one.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    by_key = {experiment.key: experiment for experiment in experiments}
    with _locked(folder), stoppable():
        for experiment in experiments:
            folder.wait_for(experiment, tell)
        left = [one for one in experiments if folder.status(one).state != "finished"]
        with launcher:
            jobs = [folder.prepare(experiment) for experiment in left]
            for done, outcome in enumerate(launcher.run(jobs), start=1):
                experiment = by_key[outcome.key]
                after_each(
                    Progress(
                        experiment=experiment,
                        status=folder.conclude(experiment, outcome),
                        seconds=outcome.seconds,
                        done=done,
                        total=len(jobs),
                    )
                )


@contextmanager
def _locked(folder: TableFolder) -> Iterator[None]:
    """Keep two processes from filling one folder at a time."""
    lock = FileLock(folder.path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process is filling '{folder.path}'; wait for it, or name another folder with "
            "--output."
        ) from error
    try:
        yield
    finally:
        lock.release()
