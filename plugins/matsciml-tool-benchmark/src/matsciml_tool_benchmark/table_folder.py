"""The folder of a table: the runs of each experiment, and how far they have come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from matsciml_core.files import read_object, write_json, write_whole
from matsciml_core.model.latest import LATEST, follow_latest
from matsciml_core.training import after_fit
from matsciml_tool_benchmark.experiments import Experiment
from matsciml_util_launchers.launcher import Job, Outcome
from matsciml_util_launchers.runs import (
    INTERRUPTED,
    failure_sentence,
    own_variables,
    wait_until_free,
)
from matsciml_util_pages.finished_runs import EVALUATED, EVALUATION, SUMMARY

EXPERIMENTS = "experiments"
RECORD = "experiment.json"
LOG = "log.txt"
GENERATED = "generated.extxyz"
_CONFIG = "experiment.yaml"
_LOCK = ".lock"
_REQUIRED = (SUMMARY, "model.safetensors")
"""Files without which a run folder is not complete."""

State = Literal["finished", "failed", "interrupted", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far an experiment has come."""

    state: State
    run: Path | None = None
    """Its run folder, where there is one."""
    sentence: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class TableFolder:
    """The folder of a table with one budget."""

    path: Path
    command: tuple[str, ...]
    """What runs ``matsciml``."""

    def of(self, experiment: Experiment) -> Path:
        """Return the folder of an experiment."""
        return self.path / EXPERIMENTS / experiment.key

    def status(self, experiment: Experiment) -> Status:
        """Return how far an experiment has come; runs with another configuration do not count."""
        record = read_object(self.of(experiment) / RECORD) or {}
        if record.get("digest") != experiment.digest:
            return Status(state="waiting")
        run = self._latest_run(experiment)
        if run is not None and _is_complete(run, experiment):
            return Status(state="finished", run=run)
        failed = record.get("state") == "failed"
        if not failed and run is None:
            return Status(state="waiting")  # its job never got as far as a run folder
        sentence = str(record.get("sentence") or "")
        return Status(state="failed" if failed else "interrupted", run=run, sentence=sentence)

    def wait_for(self, experiment: Experiment, tell: Callable[[str], object]) -> None:
        """Wait until no process of an earlier call works on an experiment.

        What a call has started ends soon after it, with a checkpoint, even where it was killed.
        Only who fills the table starts anything here, so that nothing begins after the wait.

        Args:
            experiment: The experiment.
            tell: Receives a sentence where there is something to wait for.
        """
        wait_until_free(
            self.of(experiment) / _LOCK,
            lambda: tell(
                f"{experiment.key}: waiting for what an earlier call started, until it has ended."
            ),
        )

    def prepare(self, experiment: Experiment) -> Job:
        """Write the configuration of an experiment, and return the job that trains it.

        A run that was interrupted continues from its last checkpoint, or gets its report. One that
        failed starts again: its checkpoint may hold what made it fail.
        """
        folder, status = self.of(experiment), self.status(experiment)
        folder.mkdir(parents=True, exist_ok=True)
        resumed = None
        if status.state == "interrupted" and status.run is not None:
            saved = any((status.run / "checkpoints").glob("*.ckpt"))
            resumed = status.run if saved or after_fit.is_outstanding(status.run) else None
        if resumed is None:
            text = yaml.safe_dump(experiment.config, sort_keys=False, allow_unicode=True)
            write_whole(folder / _CONFIG, text.encode())
            (folder / LOG).unlink(missing_ok=True)
            (folder / LATEST).unlink(missing_ok=True)
        # What a job that is killed leaves behind; one that ends by itself is recorded afterwards.
        self._record(experiment, "interrupted")
        steps = _steps(experiment, folder, resumed)
        return Job(
            key=experiment.key,
            commands=tuple((*self.command, *words) for words in steps),
            log=str(folder / LOG),
            lock=str(folder / _LOCK),
            environment=own_variables(),
        )

    def conclude(self, experiment: Experiment, outcome: Outcome) -> Status:
        """Record how a job ended, and return the status of its experiment."""
        run = self._latest_run(experiment)
        if outcome.code == 0 and run is not None and _is_complete(run, experiment):
            self._record(experiment, "finished")
            return self.status(experiment)
        if outcome.code in INTERRUPTED:
            self._record(experiment, "interrupted")
            return self.status(experiment)
        sentence = outcome.problem or failure_sentence(outcome.code, self.of(experiment) / LOG)
        # A killed process has a checkpoint that is sound: most likely it was short of memory.
        killed = outcome.code < 0
        self._record(experiment, "interrupted" if killed else "failed", sentence)
        return Status(state="failed", run=run, sentence=sentence)

    def _record(self, experiment: Experiment, state: State, sentence: str = "") -> None:
        data: dict[str, Any] = {
            "experiment": experiment.key,
            "digest": experiment.digest,
            "state": state,
            "sentence": sentence,
        }
        write_json(self.of(experiment) / RECORD, data)

    def _latest_run(self, experiment: Experiment) -> Path | None:
        run = follow_latest(self.of(experiment) / LATEST)
        return run.resolve() if run.is_dir() else None


def _steps(experiment: Experiment, folder: Path, resumed: Path | None) -> Iterator[tuple[str, ...]]:
    """Yield what is left to do for an experiment, as arguments of ``matsciml``.

    Args:
        experiment: The experiment.
        folder: Its folder.
        resumed: The run that is continued; None: a new one is started.
    """
    latest = str(folder / LATEST)
    if resumed is None:
        yield "run", "--config", str(folder / _CONFIG), "--output", str(folder)
    elif not _is_trained(resumed):
        yield "run", "--resume", str(resumed)
    generation = experiment.generation
    if generation is not None:
        crystals = f"{latest}/{GENERATED}"
        yield (
            "generate", latest, "--number", str(generation.number),
            "--sampler", generation.sampler, "--seed", str(experiment.seed), "--output", crystals,
            *(("--steps", str(generation.steps)) if generation.steps else ()),
        )  # fmt: skip
        yield (
            "evaluate-crystals", crystals, "--reference", f"{latest}:test",
            "--reference-train", f"{latest}:train",
            "--cutoffs", generation.cutoffs, "--output", f"{latest}/{EVALUATION}",
            *(() if generation.coverage else ("--no-coverage",)),
            *(("--baselines",) if generation.baselines else ()),
            *(("--energy-model", generation.energy_model) if generation.energy_model else ()),
        )  # fmt: skip


def _is_complete(run: Path, experiment: Experiment) -> bool:
    evaluated = experiment.generation is None or (run / EVALUATION / EVALUATED).is_file()
    return evaluated and _is_trained(run)


def _is_trained(run: Path) -> bool:
    if not all((run / name).is_file() for name in _REQUIRED) or after_fit.is_outstanding(run):
        return False
    return (read_object(run / SUMMARY) or {}).get("status") == "finished"
