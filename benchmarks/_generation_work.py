"""The steps of the generation benchmark: run once, timed, and resumed after an interruption."""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

DATASET = "perov"


@dataclass(frozen=True)
class Work:
    """A folder with the results of finished steps, and the options of the others.

    Args:
        folder: The folder.
        options: The command line.
    """

    folder: Path
    options: argparse.Namespace

    @property
    def run(self) -> Path:
        """The run."""
        return self.folder / "runs" / "latest"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the commands: the folder of data, and the number of threads."""
        threads, data = str(self.options.threads), str(self.folder / "data")
        return {**os.environ, "OMP_NUM_THREADS": threads, "MATSCIML_DATA": data}

    def step(self, name: str, done: Path, *command: object, keep_output: bool = False) -> None:
        """Run a command whose result is missing, and add its time to that of earlier attempts.

        Args:
            name: Name of the step, for its time.
            done: File that exists once the step is done.
            command: Arguments of ``matsciml``.
            keep_output: Whether the output of the command is written to ``done``.
        """
        if done.exists():
            return
        words = [str(word) for word in command]
        print(f"$ matsciml {' '.join(words)}", flush=True)
        wall, core = time.perf_counter(), _core_seconds()
        try:
            finished = subprocess.run(
                [sys.executable, "-m", "matsciml_cli", *words],
                check=True,
                env=self.environment,
                stdout=subprocess.PIPE if keep_output else None,
            )
        finally:
            self._add_time(name, time.perf_counter() - wall, _core_seconds() - core)
        if keep_output:
            done.write_bytes(finished.stdout)

    def _add_time(self, name: str, wall: float, core: float) -> None:
        times = self.times
        earlier = times.get(name, (0.0, 0.0))
        text = json.dumps({**times, name: (earlier[0] + wall, earlier[1] + core)}, indent=1)
        (self.folder / "times.json").write_text(text, encoding="utf-8")

    @property
    def times(self) -> dict[str, tuple[float, float]]:
        """Wall and core seconds of each step."""
        path = self.folder / "times.json"
        if not path.is_file():
            return {}
        return {key: (wall, core) for key, (wall, core) in read_json(path).items()}

    def evaluation(self, name: str) -> dict[str, Any]:
        """Return the evaluation of a set of crystals."""
        return read_json(self.folder / f"{name}-evaluation" / "metrics.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary that the run wrote."""
        return read_json(self.run / "run.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        config: dict[str, Any] = yaml.safe_load((self.run / "config.yaml").read_text("utf-8"))
        return config

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The lines of ``metrics.csv``, one for each epoch."""
        with (self.run / "metrics.csv").open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    @property
    def seconds(self) -> float:
        """Wall time of training."""
        return float(self.rows[-1]["seconds"])


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _core_seconds() -> float:
    """Return the processor time of all commands so far, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
