"""The 13 tasks of MatBench v0.1, from ``tasks.toml``. Imports nothing heavy."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from matsciml_core.errors import ConfigError, did_you_mean

BENCHMARK = "matbench_v0.1"
ADDRESS = "https://ml.materialsproject.org/projects"
"""Folder of the data; a file for each task."""


@dataclass(frozen=True, kw_only=True)
class PublishedError:
    """What a model of the leaderboard reached."""

    model: str
    mae: float
    """Mean over the folds, in the task's published unit."""


@dataclass(frozen=True, kw_only=True)
class MatbenchTask:
    """A task."""

    name: str
    """Without ``matbench_``."""
    input: Literal["structure", "composition"]
    kind: Literal["regression", "classification"]
    size: int
    """Number of records."""
    column: str
    """Column of the label."""
    label: str
    """What the label is called here."""
    unit: str
    """Of the label here, canonical; ``class`` of classes."""
    sha256: str
    """Of the compressed file."""
    factor: float = 1.0
    """What a published value is multiplied by to be in ``unit``."""
    published_unit: str = ""
    """Unit of the published values; empty: ``unit``."""
    extensive: bool = False
    """Whether the label grows with the number of cells."""
    published: Sequence[PublishedError] = field(default_factory=tuple)
    """Errors of the leaderboard, in the published unit."""

    @property
    def full_name(self) -> str:
        """The name in the ``matbench`` package."""
        return f"matbench_{self.name}"

    @property
    def dataset(self) -> str:
        """The name of the dataset here."""
        return self.full_name.replace("_", "-")

    @property
    def file(self) -> str:
        """Name of the file with the data."""
        return f"{self.full_name}.json.gz"

    @property
    def is_class(self) -> bool:
        """Whether the label is one of two classes."""
        return self.kind == "classification"

    def crystal_id(self, index: int) -> str:
        """Return the id that the ``matbench`` package gives a record.

        Args:
            index: Its place in the file, from 0.

        >>> find_task("jdft2d").crystal_id(11)
        'mb-jdft2d-012'
        """
        width = len(str(self.size))
        return f"mb-{self.name.replace('_', '-')}-{index + 1:0{width}d}"


@cache
def tasks() -> tuple[MatbenchTask, ...]:
    """Return all tasks."""
    text = Path(__file__).with_name("tasks.toml").read_text(encoding="utf-8")
    return tuple(
        MatbenchTask(
            **{**entry, "published": tuple(PublishedError(**e) for e in entry.get("published", ()))}
        )
        for entry in tomllib.loads(text)["tasks"]
    )


def find_task(name: str) -> MatbenchTask:
    """Return a task by its name, with or without ``matbench_``.

    Raises:
        ConfigError: There is none of that name.
    """
    short = name.replace("-", "_").removeprefix("matbench_")
    by_name = {task.name: task for task in tasks()}
    if short not in by_name:
        raise ConfigError(
            f"MatBench has no task '{name}'.{did_you_mean(short, by_name)} Tasks: "
            f"{', '.join(by_name)}."
        )
    return by_name[short]
