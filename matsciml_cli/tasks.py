"""The rows of the published benchmark, joined with what is installed and on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from matsciml_core.errors import DuplicateNameError, MatSciMLError
from matsciml_core.registry.inventory import inventory_of
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import BenchmarkTask, Inventory

_FILE = "published_tasks.json"
"""The published table: what a row says whose dataset is not installed."""
Sizes = tuple[int | None, int | None, int | None]


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task of the published benchmark."""

    dataset: str
    target: str
    title: str
    metric: str
    unit: str
    """Unit of the metric."""
    published: Sizes
    """Crystals for training, validation and test in the publication."""
    here: tuple[int, int, int] | None
    """The same of the data on this machine; None: there is none with this label."""
    state: str
    """``ok``: can be trained now; ``no data``; ``no label``; ``not installed``; ``failed``."""
    remark: str
    """Where the data lies, or what is missing."""


@dataclass(frozen=True)
class _Absent:
    """A dataset whose plugin is not installed."""

    distribution: str


def published_source() -> str:
    """Return where the table was published."""
    return str(_published()["source"])


def published_plugins() -> dict[str, str]:
    """Return the distribution that offers each dataset of the table."""
    return {str(row["dataset"]): str(row["plugin"]) for row in _published()["tasks"]}


def task_rows(registry: Registry) -> list[TaskRow]:
    """Return the rows of the published table, in its order, then further ones of plugins.

    What an installed dataset declares about its own rows wins over the table.
    """
    table = _published()["tasks"]
    listed = [(str(row["dataset"]), _task(row)) for row in table]
    plugins = published_plugins()
    specs = {spec.name: spec for spec in registry.specs("dataset")}
    declared = {(name, task.target): task for name, spec in specs.items() for task in spec.tasks}
    rows = [(name, declared.pop((name, task.target), task)) for name, task in listed]
    rows += [(name, task) for (name, _), task in declared.items()]
    inventories = {name: _inventory(registry, name) for name in {name for name, _ in rows}}
    return [
        _row(name, task, inventories[name] if name in specs else _Absent(plugins[name]))
        for name, task in rows
    ]


def _published() -> dict[str, Any]:
    text = files("matsciml_cli").joinpath(_FILE).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _task(row: dict[str, Any]) -> BenchmarkTask:
    train, validation, test = row["sizes"]
    return BenchmarkTask(
        title=row["title"],
        target=row["target"],
        metric=row["metric"],
        unit=row["unit"],
        published_sizes=(train, validation, test),
    )


def _inventory(registry: Registry, name: str) -> Inventory | str | None:
    """Return what is on this machine, None, or what is wrong."""
    try:
        return inventory_of(registry.get("dataset", name))
    except DuplicateNameError as error:
        return str(error)
    except MatSciMLError:
        return None
    except (OSError, ValueError, KeyError) as error:
        return f"what is on this machine cannot be read ({error})"


def _row(name: str, task: BenchmarkTask, found: Inventory | _Absent | str | None) -> TaskRow:
    state, remark, here = _state(name, task, found)
    return TaskRow(
        dataset=name,
        target=task.target,
        title=task.title,
        metric=task.metric,
        unit=task.unit,
        published=task.published_sizes,
        here=here,
        state=state,
        remark=remark,
    )


def _state(
    name: str, task: BenchmarkTask, found: Inventory | _Absent | str | None
) -> tuple[str, str, tuple[int, int, int] | None]:
    if isinstance(found, _Absent):
        return "not installed", f"plugin not installed: pip install {found.distribution}", None
    if isinstance(found, str):
        return "failed", found, None
    if found is None:
        return "no data", f"no data on this machine, see matsciml info {name}", None
    if task.target not in found.sizes:
        return "no label", f"the data in {found.where} has no such label", None
    return "ok", f"in {found.where}", found.sizes[task.target]


def each_size(sizes: Sizes | None) -> Iterator[str]:
    """Yield the sizes as text; ``-`` for a part that does not exist.

    >>> list(each_size((2000000, 1000000, None)))
    ['2,000,000', '1,000,000', '-']
    """
    for size in sizes or ():
        yield "-" if size is None else f"{size:,}"
