"""The rows of the published benchmark, joined with what is installed and on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from matsciml_core.errors import DuplicateNameError, MatSciMLError
from matsciml_core.registry.inventory import inventory_of
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.published import BenchmarkTask
from matsciml_core.registry.specs import Inventory

SOURCE = (
    "Lee et al., MatSciML: A Broad, Multi-Task Benchmark for Solid-State Materials Modeling, "
    "arXiv:2309.05934 (2023), Table 1"
)
"""Where the rows were published."""
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


def published_plugins() -> dict[str, str]:
    """Return the distribution that offers each dataset of the index of known plugins."""
    from matsciml_core.registry.known_plugins import known_components  # needs json

    return {dataset.name: dataset.distribution for dataset in known_components("dataset")}


def task_rows(registry: Registry) -> list[TaskRow]:
    """Return the rows of the published table, in its order, then further ones of plugins.

    The index of known plugins speaks for datasets that are not installed; what an installed one
    declares about its own rows wins.
    """
    from matsciml_core.registry.known_plugins import known_components

    plugins = published_plugins()
    installed = registry.specs("dataset")
    declared = [(item.name, item.tasks) for item in known_components("dataset")]
    declared += [(spec.name, spec.tasks) for spec in installed]
    tasks = {(name, task.target): task for name, rows in declared for task in rows}
    ordered = sorted(tasks.items(), key=lambda item: item[1].row or math.inf)
    # Taken once for each dataset: some read files for it.
    inventories = {
        spec.name: _inventory(registry, spec.name)
        for spec in installed
        if any(name == spec.name for name, _ in tasks)
    }
    listed = []
    for (name, _), task in ordered:
        data = inventories[name] if name in inventories else _Absent(plugins[name])
        state, remark, here = _state(name, task, data)
        row = TaskRow(
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
        listed.append(row)
    return listed


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


def _state(
    name: str, task: BenchmarkTask, data: Inventory | _Absent | str | None
) -> tuple[str, str, tuple[int, int, int] | None]:
    # The distribution is one of the index, never a name that was typed.
    if isinstance(data, _Absent):
        return "not installed", f"plugin not installed: pip install {data.distribution}", None
    if isinstance(data, str):
        return "failed", data, None
    if data is None:
        return "no data", f"no data on this machine, see matsciml info {name}", None
    if task.target not in data.sizes:
        return "no label", f"the data in {data.where} has no such label", None
    return "ok", f"in {data.where}", data.sizes[task.target]


def each_size(sizes: Sizes | None) -> Iterator[str]:
    """Yield the sizes as text; ``-`` for a subset that does not exist.

    >>> list(each_size((2000000, 1000000, None)))
    ['2,000,000', '1,000,000', '-']
    """
    for size in sizes or ():
        yield "-" if size is None else f"{size:,}"
