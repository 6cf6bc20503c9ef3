"""The targets of a run, with what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.metrics import headline_baseline, headline_metric
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


def read_targets(run: RunFiles) -> list[Target]:
    """Return the targets that ``run.json`` has test metrics for."""
    targets = []
    for key in run.entry("metrics", "test"):
        dataset, _, label = key.partition("/")
        info = read_label(label, run.entry("datasets", dataset, "labels", label))
        metrics = run.entry("metrics", "test", key)
        baselines = run.entry("baselines", key)
        targets.append(
            Target(
                key=key,
                info=info,
                unit=str(metrics.get("unit") or info.unit),
                metrics=metrics,
                validation=run.entry("metrics", "validation", key),
                baselines={name: run.entry("baselines", key, name) for name in baselines},
                constants=_constants(run, dataset, label),
            )
        )
    return targets


def _constants(run: RunFiles, dataset: str, label: str) -> dict[str, Any]:
    """Return what the label's head fitted; one head may serve several labels, joined by ``+``."""
    for key in run.entry("heads"):
        owner, _, labels = key.partition("/")
        if owner == dataset and label in (labels, *labels.split("+")):
            return run.entry("heads", key)
    return {}
