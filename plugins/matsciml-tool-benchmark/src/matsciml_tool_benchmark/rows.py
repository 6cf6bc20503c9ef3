"""A row of a table: what is trained, with which encoders, and what was published.

Public: what a plugin's function returns for the hook ``matsciml_benchmarks``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from matsciml_core.interfaces.config import Config

Settings = Mapping[str, Any]
"""Settings of a component or a run, as plain data."""
Metrics = Mapping[str, str | tuple[str, ...]]
"""Label → metric, or metrics, to compare by."""
_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]*(/[a-z0-9][a-z0-9+._-]*)*")


class PublishedNumber(Config):
    """A number that a publication gives for a row."""

    value: float
    """The number as printed."""
    target: str = ""
    """The label it is about; empty: the row's only one."""
    metric: str = ""
    """The metric it is of, where the label is compared by several."""
    encoder: str = ""
    """The column it stands in; empty: it is the best of all published columns."""
    unit: str = "no unit"
    """Unit as the publication states it."""
    notes: tuple[str, ...] = ()
    """Names of footnotes of the table."""


class BenchmarkRow(Config):
    """What is trained and tested together, once with each encoder."""

    name: str
    """What users type: lower case, parts joined by ``/``, for example ``mine/band-gap``."""
    title: str
    """The task in words."""
    datasets: tuple[str, ...]
    """Registry names."""
    targets: tuple[str, ...] = ()
    """Labels, ``name`` or ``dataset/name``; empty: each dataset's first."""
    strategy: str = ""
    """How several tasks are trained together; empty: the plain gradient of one."""
    encoders: Mapping[str, Settings] = Field(default_factory=dict)
    """Column → settings of its encoder, with its ``name``; without settings those of the table
    hold, and empty means all columns of the table. A list of columns will do."""
    settings: Settings = Field(default_factory=dict)
    """Further settings of the runs, as in their configuration file."""
    metrics: Metrics = Field(default_factory=dict)
    """Label → metric, or metrics, to compare by, where they are not the table's."""
    budgets: tuple[str, ...] = ()
    """Budgets that the row belongs to; empty: all."""
    published: tuple[PublishedNumber, ...] = ()
    """What a publication gives for it."""
    notes: tuple[str, ...] = ()
    """Names of footnotes of the table."""
    generates: bool = False
    """Whether crystals are sampled from the trained model and evaluated."""
    reference: bool = False
    """Whether other rows with the same label and encoder are compared with this one."""
    origin: str = ""
    """Who added it, where it is not of the table itself."""

    @property
    def label_keys(self) -> list[str]:
        """``dataset/label`` of each label, as far as the row says it."""
        owner = "+".join(self.datasets)
        # Without labels a run takes each dataset's first, whose name only the run knows.
        targets = self.targets or ("",)
        return [target if "/" in target else f"{owner}/{target}" for target in targets]

    def published_number(self, column: str, label: str, metric: str) -> PublishedNumber | None:
        """Return the published number for a column, or else the best of all columns.

        Args:
            column: Name of an encoder's column.
            label: Name of a label.
            metric: Name of a metric.
        """
        matching = [
            entry
            for entry in self.published
            if entry.target in (label, "")
            # A number without a label is about the row's only one.
            and (entry.target or len(self.targets) < 2)
            and entry.metric in (metric, "")
        ]
        for encoder in (column, ""):
            for entry in matching:
                if entry.encoder == encoder:
                    return entry
        return None

    @field_validator("encoders", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        return {name: {} for name in value} if isinstance(value, list | tuple) else value

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                "use lower-case letters, digits, '+', '.', '_' and '-', with '/' between parts"
            )
        return value
