"""What finished runs reached, as plain numbers, alone and over seeds.

Light: nothing here imports torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from matsciml_core.files import read_object
from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.metrics import headline_baseline, metric_info, metric_names
from matsciml_util_pages.run_json import nested, read_label

SUMMARY = "run.json"
EVALUATION, EVALUATED = "generation", "metrics.json"
"""Folder within a run, and file therein, with the metrics of crystals generated with its model."""


@dataclass(frozen=True, kw_only=True)
class TargetResult:
    """What a run measured on the test set for one label."""

    key: str
    """``"<dataset>/<label>"``."""
    info: TargetInfo
    """Declaration of the label."""
    unit: str
    """Unit of the label."""
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    """Metrics of baselines, by their name."""
    std: float | None
    """Standard deviation of the label in the training set, where the head fitted one."""
    split: str
    """SHA-256 of the split: numbers compare where it is the same."""
    training_crystals: int | None

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any], key: str) -> Self:
        """Return what ``run.json`` says about a label.

        Args:
            summary: Content of ``run.json``.
            key: ``"<dataset>/<label>"``.
        """
        dataset, _, label = key.partition("/")
        metrics = nested(summary, "metrics", "test", key)
        info = read_label(label, nested(summary, "datasets", dataset, "labels", label))
        baselines = nested(summary, "baselines", key)
        split = nested(summary, "datasets", dataset, "split")
        size = nested(split, "sizes").get("train")
        return cls(
            key=key,
            info=info,
            unit=str(metrics.get("unit") or info.unit),
            metrics=_measured(metrics),
            baselines={name: _measured(nested(baselines, name)) for name in baselines},
            # That of the label's own head: one that serves several labels has one for all.
            std=finite(nested(summary, "heads", key)).get("std"),
            split=str(split.get("hash") or ""),
            training_crystals=size if isinstance(size, int) else None,
        )

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.key.partition("/")[0]

    @property
    def label(self) -> str:
        """Name of the label."""
        return self.key.partition("/")[2]

    @property
    def baseline(self) -> str | None:
        """The baseline to compare with, see :func:`headline_baseline`."""
        return headline_baseline(self.info, self.baselines)

    @property
    def standardised_mse(self) -> float | None:
        """The mean square error in squared standard deviations of the training labels."""
        # MSE / σ²: 1 is what a constant reaches, whatever the unit; the paper's tables use it.
        if self.std is None or "mse" not in self.metrics:
            return None
        return self.metrics["mse"] / self.std**2 if self.std > 0 else None


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A finished run."""

    folder: Path
    summary: Mapping[str, Any]
    targets: Mapping[str, TargetResult]
    """By ``"<dataset>/<label>"``."""

    def number(self, *keys: str) -> float | None:
        """Return a number inside ``run.json``; None where it is absent."""
        return finite(nested(self.summary, *keys[:-1])).get(keys[-1])

    @property
    def citations(self) -> list[str]:
        """BibTeX of what the run used."""
        # run.json may be of another version, or edited: nothing in it is taken for granted.
        listed = self.summary.get("citations")
        return [str(entry) for entry in listed] if isinstance(listed, list) else []


@dataclass(frozen=True)
class Spread:
    """A number over several seeds."""

    values: Sequence[float] = field(default_factory=tuple)

    @classmethod
    def from_values(cls, values: Iterable[float | None]) -> Self:
        """Return the spread of the values that are known."""
        return cls(tuple(value for value in values if value is not None))

    @property
    def mean(self) -> float | None:
        """Mean over the seeds; None where there is no value."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds (n − 1); None of fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True, kw_only=True)
class SeedResults:
    """What runs that differ in their seed only say about one label."""

    metric: str
    """Name of the metric by which they are compared with others."""
    results: Sequence[TargetResult]
    """One for each finished run that has the label."""
    runs: Sequence[FinishedRun]
    """The finished runs."""

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return metric_unit(self.metric, self.results[0].unit) if self.results else ""

    @property
    def value(self) -> Spread:
        """The metric over the seeds."""
        return self.over_seeds(self.metric)

    def over_seeds(self, metric: str) -> Spread:
        """Return a metric over the seeds."""
        return Spread.from_values(result.metrics.get(metric) for result in self.results)

    def cost(self, *keys: str) -> float | None:
        """Return the mean over the seeds of a number in ``run.json``."""
        return Spread.from_values(run.number(*keys) for run in self.runs).mean

    @property
    def baseline(self) -> tuple[str, float] | None:
        """Name and value of the baseline to compare with; None where none is known."""
        # Baselines are fitted on the training set, the same for all seeds: the first is enough.
        for result in self.results:
            name = result.baseline
            if name is not None and self.metric in result.baselines[name]:
                return name, result.baselines[name][self.metric]
        return None


def read_finished_run(run: Path) -> FinishedRun | None:
    """Read the results of a run.

    Args:
        run: Its folder.

    Returns:
        The results; None where the run has not written any that can be read.
    """
    summary = read_object(run / SUMMARY)
    if summary is None or not isinstance(summary.get("metrics"), dict):
        return None
    keys = nested(summary, "metrics", "test")
    targets = {key: TargetResult.from_summary(summary, key) for key in keys}
    # Metrics of crystals that were generated with the model belong to its structure.
    evaluated = read_object(run / EVALUATION / EVALUATED) or {}
    metrics, baselines = nested(evaluated, "metrics"), nested(evaluated, "baselines")
    generated = finite({name: nested(metrics, name).get("value") for name in metrics})
    others = {name: finite(nested(baselines, name)) for name in baselines}
    targets |= {
        key: replace(
            target,
            metrics={**target.metrics, **generated},
            baselines={**others, **target.baselines},
        )
        for key, target in targets.items()
        if target.info.kind == "structure"
    }
    return FinishedRun(folder=run, summary=summary, targets=targets)


def _measured(entry: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of an entry, without its unit and count."""
    return finite({name: entry[name] for name in metric_names(entry)})


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries that are finite numbers.

    >>> finite({"mae": 0.5, "r2": None, "unit": "eV", "skill": float("nan"), "done": True})
    {'mae': 0.5}
    >>> finite({"count": 10**400})
    {}
    """
    numbers = {}
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                numbers[name] = float(value)
            except OverflowError:  # JSON and YAML have integers of any length
                continue
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def usual_metric(info: TargetInfo) -> str:
    """Return the metric by which a label is compared where a table does not name another."""
    if info.is_class:
        return "accuracy"
    return "mae" if info.shape else "mse"


def metric_unit(metric: str, unit: str) -> str:
    """Return the unit of a metric of a label with this unit; empty for pure numbers."""
    return metric_info(metric).unit("" if unit == "class" else unit)
