"""The folder of a table: what each experiment left behind, and whether it is whole."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from matsciml_core.files import read_object, write_json, write_whole
from matsciml_core.model.latest import LATEST, follow_latest
from matsciml_tool_benchmark.experiments import Experiment
from matsciml_tool_benchmark.launchers import Job, Outcome
from matsciml_util_pages.finished_runs import EVALUATED, EVALUATION, SUMMARY

EXPERIMENTS = "experiments"
RECORD = "experiment.json"
LOG = "log.txt"
GENERATED = "generated.extxyz"
_CONFIG = "experiment.yaml"
_INTERRUPTED = (130, -signal.SIGINT, -signal.SIGTERM)
_OURS = "MATSCIML_"
_WHOLE = (SUMMARY, "model.safetensors")
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
        run = self._run(experiment)
        if run is not None and _is_whole(run, experiment):
            return Status(state="finished", run=run)
        state = record.get("state")
        if state != "failed" and run is None:
            return Status(state="waiting")  # its job never got as far as a run folder
        known: State = "failed" if state == "failed" else "interrupted"
        return Status(state=known, run=run, sentence=str(record.get("sentence") or ""))

    def prepare(self, experiment: Experiment) -> Job:
        """Write the configuration of an experiment, and return the job that trains it.

        A run that was interrupted goes on from its last checkpoint. One that failed starts again:
        its checkpoint may hold what made it fail.
        """
        folder, status = self.of(experiment), self.status(experiment)
        folder.mkdir(parents=True, exist_ok=True)
        goes_on = status.state == "interrupted" and _has_checkpoint(status.run)
        if not goes_on:
            write_whole(folder / _CONFIG, _yaml(experiment.config))
            (folder / LOG).unlink(missing_ok=True)
            (folder / LATEST).unlink(missing_ok=True)
        self._record(experiment, "interrupted")  # what a killed process leaves behind
        return Job(
            key=experiment.key,
            commands=tuple(
                (*self.command, *words) for words in _steps(experiment, folder, status.run, goes_on)
            ),
            log=str(folder / LOG),
            # Other machines do not know what the user has set here.
            environment={name: os.environ[name] for name in os.environ if name.startswith(_OURS)},
        )

    def conclude(self, experiment: Experiment, outcome: Outcome) -> Status:
        """Write down how a job ended, and return what it comes to."""
        run = self._run(experiment)
        if outcome.code == 0 and run is not None and _is_whole(run, experiment):
            self._record(experiment, "finished")
            return self.status(experiment)
        if outcome.code in _INTERRUPTED:
            self._record(experiment, "interrupted")
            return self.status(experiment)
        sentence = outcome.problem or explain(outcome.code, _read(self.of(experiment) / LOG))
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

    def _run(self, experiment: Experiment) -> Path | None:
        run = follow_latest(self.of(experiment) / LATEST)
        return run.resolve() if run.is_dir() else None


def explain(code: int, log: str) -> str:
    r"""Say in one sentence why a job failed.

    Args:
        code: Its exit code; negative: the number of the signal that ended it.
        log: What it printed.

    >>> explain(2, "Epoch 1\nError: There is no target 'gap'.\n")
    "There is no target 'gap'."
    >>> explain(-9, "Epoch 1")
    'It was ended by the signal SIGKILL; most likely the memory was full.'
    """
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        likely = "; most likely the memory was full" if name == "SIGKILL" else ""
        return f"It was ended by the signal {name}{likely}."
    errors = re.findall(r"^Error: (.*)$", log, re.MULTILINE)
    if errors:
        return str(errors[-1]).strip()
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else f"It ended with the code {code} and said nothing."


def _steps(
    experiment: Experiment, folder: Path, run: Path | None, goes_on: bool
) -> Iterator[tuple[str, ...]]:
    """Yield what is left to do for an experiment, as arguments of ``matsciml``."""
    latest = str(folder / LATEST)
    if not goes_on or run is None:
        yield "run", "--config", str(folder / _CONFIG), "--output", str(folder)
    elif not _is_trained(run):
        yield "run", "--resume", str(run)
    if experiment.generation is not None:
        made = f"{latest}/{GENERATED}"
        asked = experiment.generation
        yield (
            "generate", latest, "--number", str(asked.number), "--steps", str(asked.steps),
            "--seed", str(experiment.seed), "--output", made,
        )  # fmt: skip
        yield (
            "evaluate-crystals", made, "--reference", f"{latest}:test",
            "--cutoffs", asked.cutoffs, "--output", f"{latest}/{EVALUATION}",
            *(() if asked.coverage else ("--no-coverage",)),
        )  # fmt: skip


def _is_whole(run: Path, experiment: Experiment) -> bool:
    evaluated = experiment.generation is None or (run / EVALUATION / EVALUATED).is_file()
    return evaluated and _is_trained(run)


def _is_trained(run: Path) -> bool:
    if not all((run / name).is_file() for name in _WHOLE):
        return False
    return (read_object(run / SUMMARY) or {}).get("status") == "finished"


def _has_checkpoint(run: Path | None) -> bool:
    return run is not None and any((run / "checkpoints").glob("*.ckpt"))


def _yaml(config: dict[str, Any]) -> bytes:
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
