"""What a run folder holds, read in spite of damage: what cannot be used is named, the rest used."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.guarded import parse_json, parse_yaml
from matsciml_core.training.gradient_angles import (
    GRADIENTS,
    GradientAngles,
    read_gradient_angles,
)
from matsciml_core.training.run_folder import CONFIG, METRICS, PREDICTIONS, SUMMARY
from matsciml_util_pages.run_json import nested

_LARGEST_SUMMARY = 64 << 20
"""Bytes of ``run.json``, which has what each head fitted."""
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """The labelled values of the test set for one target, in the label's unit."""

    ids: tuple[str, ...]
    """Id of the crystal of each value."""
    labels: Numbers
    """``(values,)``, in the label's unit."""
    predictions: Numbers
    """``(values,)``, in the label's unit."""
    not_finite: int
    """Number of predictions that were no finite numbers and are left out."""
    indices: NDArray[np.int64] | None = None
    """Index of each value within its crystal, ``(values,)``: width · atom + component."""
    probabilities: Numbers | None = None
    """Of predicted classes, ``(values,)``."""
    spreads: Numbers | None = None
    """Standard deviation of each prediction, ``(values,)``, in the label's unit."""

    @property
    def errors(self) -> Numbers:
        """Prediction minus label, ``(values,)``, in the label's unit."""
        return self.predictions - self.labels

    @property
    def one_per_crystal(self) -> bool:
        """Whether each value is a crystal's only one."""
        return len(set(self.ids)) == len(self.ids)

    @property
    def noun(self) -> str:
        """What is counted: crystals, or values where a crystal has several."""
        return "crystal" if self.one_per_crystal else "value"


@dataclass(frozen=True)
class RunFiles:
    """What a run folder holds."""

    folder: Path
    config_text: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Content of ``run.json``."""
    history: Mapping[str, Numbers] = field(default_factory=dict)
    """Columns of ``metrics.csv``, ``(epochs,)``, NaN where an entry is empty."""
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    """By ``"<dataset>/<target>"``."""
    angles: Sequence[GradientAngles] = ()
    """Angles between the gradients of each pair of tasks, where they were recorded."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """File name → sentence that says why it could not be used."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    def entry(self, *keys: str) -> dict[str, Any]:
        """Return a mapping inside ``run.json``; empty where it is absent."""
        return nested(self.summary, *keys)

    @property
    def epochs(self) -> Numbers:
        """The epochs of ``metrics.csv``, which counts from 0, counted from 1; ``(epochs,)``."""
        return self.history.get("epoch", np.empty(0)) + 1

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss, counted from 1."""
        epoch = self.summary.get("best_epoch")
        return epoch if isinstance(epoch, int) else None

    @property
    def tested_epochs(self) -> tuple[int, ...]:
        """The epochs whose weights were tested, counted from 1; several of a mean of weights."""
        epochs = self.summary.get("tested_epochs")
        if isinstance(epochs, list) and epochs and all(isinstance(one, int) for one in epochs):
            return tuple(epochs)
        return () if self.best_epoch is None else (self.best_epoch,)


def read_run(folder: str | Path) -> RunFiles:
    """Read a run folder.

    Args:
        folder: The run folder, finished or not.

    Returns:
        What it holds, and what is wrong with the rest.

    Raises:
        ConfigError: It holds neither a configuration nor a summary.
    """
    folder = Path(folder)
    if not any((folder / name).is_file() for name in (CONFIG, SUMMARY)):
        raise ConfigError(
            f"'{folder}' is not a run folder (neither '{CONFIG}' nor '{SUMMARY}' is there); name "
            "one, for example runs/latest."
        )
    problems: dict[str, str] = {}
    readers: dict[str, Callable[[str], dict[str, Any]]] = {
        CONFIG: lambda text: {
            "config_text": text,
            "config": _mapping(parse_yaml(text), "a mapping of settings"),
        },
        SUMMARY: lambda text: {
            "summary": _mapping(parse_json(text, largest=_LARGEST_SUMMARY), "a mapping")
        },
        METRICS: _read_history,
        PREDICTIONS: _read_predictions,
    }
    contents: dict[str, Any] = {}
    for name, reader in readers.items():
        # Runs are interrupted, and files edited: each is read for itself, and its fault named.
        try:
            contents |= reader((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            problems[name] = f"The run folder has no {name}."
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            detail = " ".join(str(error).split())
            problems[name] = f"{name} could not be read: {detail}."
    angles: list[GradientAngles] = []
    try:
        angles = read_gradient_angles(folder)
    except (OSError, DataError) as error:
        problems[GRADIENTS] = str(error)
    return RunFiles(folder=folder, angles=angles, problems=problems, **contents)


def _mapping(data: Any, name: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"it is not {name}")
    return data


@contextmanager
def _line(number: int) -> Iterator[None]:
    """Name the line of a table that is torn, or holds something else than numbers."""
    try:
        yield
    except (TypeError, ValueError, KeyError) as error:  # a column is missing, or no number
        raise ValueError(
            f"line {number} is incomplete or holds no numbers; copy the run folder again, or go on "
            "with the run where it was interrupted"
        ) from error


def _read_history(text: str) -> dict[str, Any]:
    reader = csv.DictReader(io.StringIO(text))
    rows = list(reader)
    columns = reader.fieldnames or []
    if "epoch" not in columns:
        raise ValueError("it has no column 'epoch'")
    values: dict[str, list[float]] = {name: [] for name in columns}
    for line, row in enumerate(rows, start=2):
        with _line(line):
            for name in columns:
                values[name].append(float(row[name] if row[name] != "" else "nan"))
    history = {name: np.array(column, dtype=np.float64) for name, column in values.items()}
    return {"history": history}


def _read_predictions(text: str) -> dict[str, Any]:
    rows: dict[str, list[tuple[str, int, float, float, float, float]]] = {}
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        with _line(line):
            # Only classes have a probability, and only some heads know their spread.
            more = float(row.get("probability") or "nan"), float(row.get("spread") or "nan")
            pair = float(row["label"]), float(row["prediction"])
            value = (row["id"], int(row.get("index") or 0), *pair, *more)
            rows.setdefault(f"{row['dataset']}/{row['target']}", []).append(value)
    predictions = {}
    for key, values in rows.items():
        numbers = np.array([value[2:] for value in values], dtype=np.float64)
        # A model that diverged still has a report: what can be compared is, the rest is counted.
        finite = np.isfinite(numbers[:, 0]) & np.isfinite(numbers[:, 1])
        predictions[key] = Predictions(
            ids=tuple(value[0] for value, usable in zip(values, finite, strict=True) if usable),
            labels=numbers[finite, 0],
            predictions=numbers[finite, 1],
            not_finite=int((~finite).sum()),
            indices=np.array([value[1] for value in values], dtype=np.int64)[finite],
            probabilities=numbers[finite, 2] if np.isfinite(numbers[:, 2]).any() else None,
            spreads=numbers[finite, 3] if np.isfinite(numbers[finite, 3]).any() else None,
        )
    return {"predictions": predictions}
