"""The targets of a run, with what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.metrics import describe_baseline, headline_baseline, headline_metric
from matsciml_util_pages.numbers import words
from matsciml_util_pages.run_files import RunFiles
from matsciml_util_pages.run_json import read_label
from matsciml_util_pages.views import Absent

NO_METRICS = Absent("The run recorded no test metrics.")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target of the run with its metrics on the test set."""

    key: str
    """``"<dataset>/<target>"``."""
    info: TargetInfo
    """Declaration of the label."""
    unit: str
    metrics: dict[str, Any]
    validation: dict[str, Any]
    """Metrics on the validation set."""
    baselines: dict[str, dict[str, Any]]
    """Metrics of each baseline."""
    constants: dict[str, Any]
    """What the label's head fitted on the training set."""
    published: tuple[dict[str, Any], ...] = ()
    """Errors that others reached on the same crystals, as ``run.json`` describes them."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.key.partition("/")[0]

    @property
    def label(self) -> str:
        """Name of the label."""
        return self.key.partition("/")[2]

    @property
    def title(self) -> str:
        """The label in words."""
        return words(self.label)

    @property
    def is_class(self) -> bool:
        """Whether the label is a class."""
        return self.info.is_class

    @property
    def metric(self) -> str | None:
        """Name of the metric that speaks for the target."""
        return headline_metric(self.info, self.metrics)

    @property
    def baseline(self) -> str | None:
        """Name of the baseline to compare with."""
        return headline_baseline(self.info, self.baselines)

    def validation_baseline(self, metric: str) -> tuple[str, float] | None:
        """Return in words, and in the metric's unit, what the baseline reaches in validation.

        Args:
            metric: Name of the metric.

        Returns:
            The baseline and its value on the validation set, or on the test set where no other is
            known; None where there is none.
        """
        mae, skill = self.validation.get("mae"), self.validation.get("skill")
        # The run records baselines on the test set only, but skill is 1 − MAE / MAE of predicting
        # the mean on the same set, from which the baseline of the validation set follows.
        if metric == "mae" and mae and isinstance(skill, float) and skill != 1.0:
            return describe_baseline(
                "zero" if "mean" not in self.baselines and "zero" in self.baselines else "mean"
            ), mae / (1.0 - skill)
        if self.baseline is None:
            return None
        value = self.baselines[self.baseline].get(metric)
        name = f"{describe_baseline(self.baseline)} (test set)"
        return (name, value) if isinstance(value, int | float) else None


def read_targets(run: RunFiles) -> list[Target]:
    """Return the targets that ``run.json`` has test metrics for."""
    targets = []
    for key in run.entry("metrics", "test"):
        dataset, _, label = key.partition("/")
        info = read_label(label, run.entry("datasets", dataset, "labels", label))
        metrics = run.entry("metrics", "test", key)
        baselines = run.entry("baselines", key)
        # One head may serve several labels of a dataset, joined by "+": energy+forces.
        heads = [
            head
            for head in run.entry("heads")
            if head.partition("/")[0] == dataset
            and label in (head.partition("/")[2], *head.partition("/")[2].split("+"))
        ]
        targets.append(
            Target(
                key=key,
                info=info,
                unit=str(metrics.get("unit") or info.unit),
                metrics=metrics,
                validation=run.entry("metrics", "validation", key),
                baselines={name: run.entry("baselines", key, name) for name in baselines},
                constants=run.entry("heads", heads[0]) if heads else {},
                published=_published(run, dataset, label),
            )
        )
    return targets


def _published(run: RunFiles, dataset: str, label: str) -> tuple[dict[str, Any], ...]:
    names = run.entry("datasets", dataset, "published")
    entries = (run.entry("datasets", dataset, "published", name) for name in names)
    return tuple(entry for entry in entries if entry.get("target") == label)
