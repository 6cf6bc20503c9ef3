"""By what trials are compared: a number of the validation set, never one of the test set."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.files import read_object
from matsciml_core.guarded import read_text
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import DatasetSpec
from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.finished_runs import SUMMARY
from matsciml_util_pages.metrics import metric_info, metric_names
from matsciml_util_pages.numbers import number, with_unit
from matsciml_util_pages.run_json import nested

LOSS = "loss"
"""The loss that training lowers, dimensionless."""
_METRICS = "metrics.csv"
_VALIDATION = "validation/"
_LARGEST = 64 << 20
"""Bytes of ``metrics.csv``; a line is a few hundred."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of the validation set."""

    name: str
    """``loss``; a metric such as ``mae``, where a run has one label; or ``DATASET/LABEL/mae``."""
    unit: str = ""
    """Empty where it is not known, or there is none."""

    @property
    def short(self) -> str:
        """The name without dataset and label."""
        return self.name.rpartition("/")[2]

    @property
    def larger_is_better(self) -> bool:
        """Whether a trial with a larger value is the better one."""
        return metric_info(self.short).larger_is_better

    @property
    def title(self) -> str:
        """The metric as a heading, with its unit where that is known."""
        return with_unit(f"validation {metric_info(self.short).short}", self.unit)

    def text(self, value: float | None) -> str:
        """Write a value with its unit."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{number(value)}{unit}"

    def better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another."""
        return value > other if self.larger_is_better else value < other

    def curve(self, run: Path) -> dict[int, float]:
        """Return the metric of each finished epoch of a run, finite values only.

        Args:
            run: The run folder; it may still be written to.

        Returns:
            Values by epochs, counted from 0.

        Raises:
            ConfigError: The run has no such metric.
        """
        try:
            text = read_text(run / _METRICS, largest=_LARGEST)
        except (OSError, ValueError):
            return {}  # no epoch has finished
        rows = list(csv.DictReader(io.StringIO(text)))
        if not rows:
            return {}
        column = self._chosen(name for name in rows[0] if name.startswith(_VALIDATION))
        values = {int(row["epoch"]): float(row.get(column) or math.nan) for row in rows}
        return {epoch: value for epoch, value in values.items() if math.isfinite(value)}

    def of_finished(self, run: Path) -> float | None:
        """Return the metric of a finished run with its best weights.

        Args:
            run: The run folder.

        Returns:
            The value; None where it is no finite number.

        Raises:
            ConfigError: The run has no such metric.
        """
        entry = self._entry(run)
        if self.name == LOSS or entry is None:
            # The best weights are those of the epoch with the lowest loss.
            values = self.curve(run)
            best = (read_object(run / SUMMARY) or {}).get("best_epoch")
            lowest = min(values.values(), default=None)
            return lowest if self.name == LOSS else values.get((best or 0) - 1)
        value = entry.get(self.short)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    def _entry(self, run: Path) -> Mapping[str, Any] | None:
        """Return what ``run.json`` says about the label of the metric; None: nothing."""
        measured = nested(read_object(run / SUMMARY) or {}, "metrics", "validation")
        columns = (
            f"{_VALIDATION}{key}/{name}" for key in measured for name in metric_names(measured[key])
        )
        if self.name == LOSS or not measured:
            return None
        column = self._chosen(columns)
        return nested(measured, column.removeprefix(_VALIDATION).rpartition("/")[0])

    def _chosen(self, columns: Iterable[str]) -> str:
        """Return the one column of validation metrics that is meant.

        Raises:
            ConfigError: There is none, or there are several.
        """
        names = [column.removeprefix(_VALIDATION) for column in columns]
        matches = [name for name in names if self.name in (name, name.rpartition("/")[2])]
        if self.name in names:
            matches = [self.name]
        if len(matches) == 1:
            return f"{_VALIDATION}{matches[0]}"
        shorts = {name.rpartition("/")[2] for name in names}
        problem = "several metrics" if matches else "no metric"
        raise ConfigError(
            f"A run of this sweep has {problem} '{self.name}' of its validation set."
            f"{did_you_mean(self.name, [*names, *shorts])} Name one of them with --metric: "
            f"{', '.join(dict.fromkeys(names))}."
        )


def choose_metric(name: str | None, data: Mapping[str, Any], registry: Registry) -> Metric:
    """Return what trials are compared by, with its unit where the labels are known.

    Args:
        name: As the user names it; None: the mean absolute error of a run's only label, where that
            is a number, else the loss.
        data: The configuration of the runs.
        registry: Where datasets are looked up.
    """
    labels = _labels(data, registry)
    only = next(iter(labels.values())) if len(labels) == 1 else None
    if name is None:
        name = "mae" if only is not None and only.kind == "scalar" else LOSS
    name = name.removeprefix(_VALIDATION)
    key, _, short = name.rpartition("/")
    info = labels.get(key) if key else only
    unit = "" if info is None or short == LOSS else metric_info(short).unit(info.unit)
    return Metric(name=name, unit=unit)


def _labels(data: Mapping[str, Any], registry: Registry) -> dict[str, TargetInfo]:
    """Return the labels of the runs by ``DATASET/LABEL``, as far as datasets declare them."""
    targets = data.get("targets") or ()
    labels: dict[str, TargetInfo] = {}
    for item in data.get("datasets") or ():
        spec: DatasetSpec = registry.get("dataset", item["name"])
        declared = spec.targets
        names = [name for name in targets if name.rpartition("/")[0] in ("", item["name"])]
        wanted = {name.rpartition("/")[2] for name in names}
        chosen = [info for info in declared if info.name in wanted] if targets else declared[:1]
        labels |= {f"{item['name']}/{info.name}": info for info in chosen}
    return labels
