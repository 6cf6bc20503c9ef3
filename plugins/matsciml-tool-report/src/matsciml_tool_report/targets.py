"""The targets of a run, with what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matsciml_core.registry.targets import CLASS_KINDS
from matsciml_util_pages.metrics import headline_baseline, headline_metric
from matsciml_util_pages.numbers import words
from matsciml_util_pages.run_files import RunFiles


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target of the run with its metrics on the test set."""

    key: str
    """``"<dataset>/<target>"``."""
    kind: str
    unit: str
    description: str
    metrics: dict[str, Any]
    validation: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    constants: dict[str, Any]
    num_classes: int | None = None
    """Number of classes, where the label has some."""

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
        return self.kind in CLASS_KINDS

    @property
    def metric(self) -> str | None:
        """Name of the metric that speaks for the target."""
        return headline_metric(self.kind, self.metrics)

    @property
    def baseline(self) -> str | None:
        """Name of the baseline to compare with."""
        return headline_baseline(self.kind, self.baselines)


def read_targets(run: RunFiles) -> list[Target]:
    """Return the targets that ``run.json`` has test metrics for."""
    return [_target(run, key) for key in run.part("metrics", "test")]


def _constants(run: RunFiles, dataset: str, label: str) -> dict[str, Any]:
    """Return what the label's head fitted; one head may serve several labels, joined by ``+``."""
    for key in run.part("heads"):
        owner, _, labels = key.partition("/")
        if owner == dataset and label in (labels, *labels.split("+")):
            return run.part("heads", key)
    return {}


def _target(run: RunFiles, key: str) -> Target:
    dataset, _, label = key.partition("/")
    info = run.part("datasets", dataset, "labels", label)
    metrics = run.part("metrics", "test", key)
    baselines = run.part("baselines", key)
    return Target(
        key=key,
        kind=str(info.get("kind", "scalar")),
        unit=str(metrics.get("unit") or info.get("unit") or ""),
        description=str(info.get("description") or ""),
        metrics=metrics,
        validation=run.part("metrics", "validation", key),
        baselines={name: run.part("baselines", key, name) for name in baselines},
        constants=_constants(run, dataset, label),
        num_classes=info.get("num_classes"),
    )
