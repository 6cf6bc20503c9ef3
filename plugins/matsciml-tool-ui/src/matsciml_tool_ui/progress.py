"""How far a run has come, from the small files that it writes while it trains.

Light: nothing here imports torch, since it is asked every few seconds.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from matsciml_core.files import read_object
from matsciml_core.guarded import parse_yaml, read_text
from matsciml_util_pages.finished_runs import finite
from matsciml_util_pages.run_json import nested

State = Literal["training", "finished", "silent", "unreadable"]
_CONFIG, _METRICS, _SUMMARY = "config.yaml", "metrics.csv", "run.json"
_LARGEST_HISTORY = 64 << 20
"""Bytes of ``metrics.csv``; a line is a few hundred."""
_PATIENCE, _EPOCHS = 900.0, 3.0
"""Seconds, and epochs' time, after which a run that writes nothing is called silent: a checkpoint
is written every ten minutes where an epoch takes longer."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come."""

    summary: Mapping[str, Any]
    """Content of ``run.json``; empty until the run has finished."""
    config: Mapping[str, Any]
    rows: tuple[Mapping[str, float], ...]
    """The lines of ``metrics.csv``, one per epoch."""
    problem: str = ""
    """What could not be read, as a sentence; a file may be half-written when we look."""

    def state(self, quiet: float) -> State:
        """Return what the run is doing.

        Args:
            quiet: Time since it last wrote anything, s.
        """
        if self.problem:
            return "unreadable"
        if self.summary.get("status") == "finished":
            return "finished"
        return "training" if quiet < max(_PATIENCE, _EPOCHS * self.epoch_seconds) else "silent"

    @property
    def epochs(self) -> int:
        """Epochs that have finished."""
        return len(self.rows)

    @property
    def planned(self) -> int | None:
        """Epochs that were asked for; None where a time was, or nothing that can be read."""
        training = nested(self.config, "training")
        epochs = finite(training).get("epochs")
        return None if epochs is None or training.get("minutes") is not None else round(epochs)

    @property
    def epoch_seconds(self) -> float:
        """Time of the last epoch, s; 0 before the first has finished."""
        last = [row.get("seconds", 0.0) for row in self.rows[-2:]]
        return max(0.0, last[-1] - (last[0] if len(last) > 1 else 0.0)) if last else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time until the last epoch has finished, s; None where it is not known."""
        if not self.rows:
            return None
        seconds = self.rows[-1].get("seconds", 0.0)
        if self.planned is not None:
            return max(0.0, (self.planned - self.epochs) * seconds / self.epochs)
        minutes = finite(nested(self.config, "training")).get("minutes")
        return None if minutes is None else max(0.0, 60.0 * minutes - seconds)

    @property
    def share(self) -> float:
        """The share of the training that is done, 0 to 1."""
        left = self.seconds_left
        if left is None:
            return 0.0
        done = self.rows[-1].get("seconds", 0.0)
        return done / (done + left) if done + left > 0 else 0.0

    def last(self, column: str) -> float | None:
        """Return a number of the last epoch; None where it is absent or no finite number."""
        value = self.rows[-1].get(column) if self.rows else None
        return value if value is not None and math.isfinite(value) else None

    def names(self, kind: str) -> str:
        """Return the names of the encoder, or of the datasets."""
        listed = self.config.get(kind)
        items = listed if isinstance(listed, list) else [listed]
        named = [item.get("name") for item in items if isinstance(item, dict)]
        return " + ".join(str(name) for name in named if name)


def read_progress(folder: Path) -> Progress:
    """Read how far a run has come.

    Args:
        folder: The run folder, without links.

    Returns:
        What its files say; of one that cannot be read, that it cannot.
    """
    problems = []
    config: Any = {}
    rows: tuple[Mapping[str, float], ...] = ()
    try:
        config = parse_yaml(read_text(folder / _CONFIG))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, yaml.YAMLError):
        problems.append(_CONFIG)
    try:
        rows = _read_rows(read_text(folder / _METRICS, largest=_LARGEST_HISTORY))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, csv.Error):
        problems.append(_METRICS)
    summary = read_object(folder / _SUMMARY)
    if summary is None and (folder / _SUMMARY).exists():
        problems.append(_SUMMARY)
    return Progress(
        summary=summary or {},
        config=config if isinstance(config, dict) else {},
        rows=rows,
        problem=f"{' and '.join(problems)}: not readable yet" if problems else "",
    )


def _read_rows(text: str) -> tuple[dict[str, float], ...]:
    """Return the lines as numbers.

    Raises:
        ValueError: One is torn, or holds something else.
        TypeError: The same.
    """
    reader = csv.DictReader(io.StringIO(text))
    rows = [
        {name: float("nan" if value == "" else value) for name, value in row.items()}
        for row in reader
    ]
    if "epoch" not in (reader.fieldnames or ()):
        raise ValueError("it has no column 'epoch'")
    return tuple(rows)
