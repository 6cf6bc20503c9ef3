"""What publications say of a dataset: the tasks of a benchmark, and the errors that others reached.

Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    """A row of a published benchmark that a dataset serves; ``list-tasks`` prints it."""

    title: str
    """What is predicted, in words, for example ``band gap``."""
    target: str
    """Name of the label."""
    metric: str
    """The metric by which it is compared, for example ``MAE``."""
    unit: str
    """Unit of the metric; empty for a pure number."""
    published_sizes: tuple[int | None, int | None, int | None]
    """Crystals for training, validation and test in the publication; None: no such subset."""
    row: int | None = None
    """Number of the row in the published table, by which ``list-tasks`` sorts; None: after it."""


@dataclass(frozen=True, kw_only=True)
class PublishedNumber:
    """An error that others reached on the crystals of a dataset."""

    target: str
    """Name of the label."""
    metric: str
    """The metric as ``run.json`` calls it, for example ``mae``."""
    value: float
    """In the unit of the label."""
    method: str
    """What was trained, in words."""
    reference: str
    """BibTeX key of the publication, one of those that the data themselves name; data of another
    release, which do not name it, are not compared with it."""
    conditions: str
    """How it was measured, as far as that differs from a run here: sizes of the parts, the split,
    what was left out."""
