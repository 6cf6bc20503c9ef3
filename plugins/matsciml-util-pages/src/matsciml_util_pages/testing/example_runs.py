"""Run folders without a run: what ``matsciml run`` writes, from made-up labels and predictions.

A test changes what it is about, and has the folder written::

    run = ExampleRun(tmp_path / "run")
    run.targets["mp/band_gap"] = example_target(size=50, unit="eV")
    files = read_run(run.write())
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from matsciml_core.training.run_folder import CONFIG, METRICS, PREDICTIONS, SUMMARY

Numbers = NDArray[np.float64]

TARGET = "mp/formation_energy_per_atom"
"""The target of an example that is not told of another."""

_DATASET = {
    "source": "Materials Project",
    "release": "2018",
    "licence": "CC-BY-4.0",
    "content_hash": "2a4fc6ef" * 8,
    "split": {
        "algorithm": "stratified by crystal system",
        "seed": 3,
        "hash": "aaf704d7" * 8,
        "sizes": {"train": 1600, "validation": 200, "test": 200},
    },
    "dropped": {"train": 31, "validation": 4, "test": 5},
}


@dataclass
class ExampleTarget:
    """Labels and predictions of one target, and everything that follows from them."""

    labels: Numbers
    """``(values,)``, in ``unit``."""
    predictions: Numbers
    """``(values,)``, in ``unit``."""
    mean: float = -1.25
    """What the head fitted as the mean of the training labels, in ``unit``."""
    ids: list[str] = field(default_factory=list)
    """Id of the crystal of each value; empty: crystals with one value each."""
    unit: str = "eV/atom"
    kind: str = "scalar"

    def __post_init__(self) -> None:
        """Name the crystals."""
        self.ids = self.ids or [f"mp-{100 + 7 * index}" for index in range(len(self.labels))]

    def metrics(self, predictions: Numbers | None = None) -> dict[str, Any]:
        """Return the metrics of predictions, as ``run.json`` has them.

        Args:
            predictions: ``(values,)``, in ``unit``; None: those of the model.
        """
        errors = (self.predictions if predictions is None else predictions) - self.labels
        # The denominator of R²; of equal labels it is zero, and R² does not exist.
        variation = ((self.labels - self.labels.mean()) ** 2).sum()
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float((errors**2).mean() ** 0.5),
            "mse": float((errors**2).mean()),
            "r2": float(1 - (errors**2).sum() / variation) if variation else None,
            "skill": float(1 - np.abs(errors).mean() / np.abs(self.labels - self.mean).mean()),
            "unit": self.unit,
            "count": len(set(self.ids)),
        }

    def baselines(self) -> dict[str, Any]:
        """Return the metrics of predicting the mean and the median."""
        constants = {"mean": self.mean, "median": float(np.median(self.labels))}
        return {
            name: self.metrics(np.full_like(self.labels, value))
            for name, value in constants.items()
        }


def example_target(
    size: int = 200, seed: int = 0, error: float = 0.1, unit: str = "eV/atom"
) -> ExampleTarget:
    """Return formation energies like those of real crystals, with Laplace-distributed errors.

    Args:
        size: Number of crystals, each with one value.
        seed: Of the random numbers.
        error: Scale of the errors, in ``unit``.
        unit: Unit of labels and predictions.
    """
    # Formation energies of the Materials Project have about this mean and deviation, eV/atom; the
    # errors of models have heavier tails than a normal distribution.
    random = np.random.default_rng(seed)
    labels = random.normal(-1.2, 1.0, size)
    return ExampleTarget(labels, labels + random.laplace(0.0, error, size), unit=unit)


def example_history(epochs: int, targets: Mapping[str, ExampleTarget]) -> list[dict[str, Any]]:
    """Return rows of ``metrics.csv``: a loss that falls, and a schedule that rises and falls.

    Args:
        epochs: Number of rows.
        targets: Targets by ``"<dataset>/<target>"``; each has a column of its MAE.
    """
    rows = []
    for epoch in range(epochs):
        # It falls by a fifth in each epoch, to a floor that noise in the labels would set.
        level = 0.8 * 0.8**epoch + 0.1
        row = {
            "epoch": epoch,
            "step": 10 * (epoch + 1),
            "seconds": 5.0 + 4.0 * epoch,
            "learning_rate": 2e-3 * np.sin(np.pi * (epoch + 1) / (epochs + 1)),
            "train/loss": level,
            "validation/loss": 1.1 * level,
        }
        rows.append(row | {f"validation/{key}/mae": 1.2 * level for key in targets})
    return rows


def example_summary(targets: Mapping[str, ExampleTarget], epochs: int) -> dict[str, Any]:
    """Return what ``run.json`` holds of a finished run.

    Args:
        targets: Targets by ``"<dataset>/<target>"``.
        epochs: Number of epochs.
    """
    labels: dict[str, dict[str, Any]] = {}
    for key, target in targets.items():
        dataset, _, label = key.partition("/")
        labels.setdefault(dataset, {})[label] = {
            "kind": target.kind,
            "unit": target.unit,
            "num_classes": 2 if target.kind == "multiclass" else None,
            "description": "Energy of the crystal less that of its elements.",
        }
    return {
        "status": "finished",
        "command": "matsciml run --dataset mp --encoder megnet",
        "started": "2026-03-01T09:30:00+00:00",
        "wall_seconds": 231.4,
        "seed": 7,
        "epochs": epochs,
        "best_epoch": epochs,
        "tested_epochs": [epochs],
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "plugins": {"matsciml-data-mp": "0.1.0"},
        "hardware": {
            "device": "cpu",
            "cpu": "Some CPU",
            "cores": 2,
            "threads": 1,
            "memory_gib": 23.46,
            "gpu": None,
        },
        "parameters": {
            "encoder": 184304,
            "heads": dict.fromkeys(targets, 12417),
            "total": 184304 + 12417 * len(targets),
        },
        "datasets": {name: {**_DATASET, "labels": infos} for name, infos in labels.items()},
        "heads": {
            key: {"mean": target.mean, "std": 1.04, "median": -1.1}
            for key, target in targets.items()
        },
        "metrics": {
            part: {key: target.metrics() for key, target in targets.items()}
            for part in ("test", "validation")
        },
        "baselines": {key: target.baselines() for key, target in targets.items()},
        "citations": [
            "@article{chen2019,\n  author = {Chen, Chi and Ye, Weike},\n"
            "  title = {{Graph Networks}},\n  journal = {Chem. Mater. 31},\n"
            "  year = {2019},\n  doi = {10.1021/acs.chemmater.9b01294}\n}"
        ],
    }


@dataclass
class ExampleRun:
    """A run folder that a test can change before it is written."""

    path: Path
    """The folder; made where it is missing."""
    targets: dict[str, ExampleTarget] = field(default_factory=lambda: {TARGET: example_target()})
    """By ``"<dataset>/<target>"``."""
    epochs: int = 6
    change: Callable[[dict[str, Any]], object] = lambda summary: None
    """Changes what ``run.json`` will hold."""

    def write(self) -> Path:
        """Write configuration, summary, history and predictions; return the folder."""
        self.path.mkdir(exist_ok=True)
        names = dict.fromkeys(key.partition("/")[0] for key in self.targets)
        config = {
            "datasets": [{"name": name} for name in names],
            "encoder": {"name": "megnet", "cutoff": 5.0},
            "strategy": {"name": "single"},
            "training": {"batch_size": 32, "learning_rate": 2e-3, "schedule": "one-cycle"},
        }
        (self.path / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
        summary = example_summary(self.targets, self.epochs)
        self.change(summary)
        (self.path / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")
        self.write_history(example_history(self.epochs, self.targets))
        _write_csv(self.path / PREDICTIONS, list(self._predictions()))
        return self.path

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Write ``metrics.csv``.

        Args:
            rows: One for each epoch, with the columns of the first.
        """
        _write_csv(self.path / METRICS, rows)

    def _predictions(self) -> Iterator[dict[str, Any]]:
        for key, target in self.targets.items():
            dataset, _, label = key.partition("/")
            values = zip(target.ids, target.labels, target.predictions, strict=True)
            for name, truth, prediction in values:
                yield {
                    "dataset": dataset,
                    "target": label,
                    "id": name,
                    "index": 0,
                    "label": repr(float(truth)),
                    "prediction": repr(float(prediction)),
                }


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows with the columns of the first; without rows, two columns that every run has."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["epoch", "step"])
        writer.writeheader()
        writer.writerows(rows)
