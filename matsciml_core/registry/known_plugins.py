"""The index of known plugins: what the plugins of this repository offer, installed or not.

It is data, ``known_plugins.json``, made from the plugins themselves. Advice to install something
names distributions of this index and no others: on a package index anyone may register a name that
is made of what a user typed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matsciml_core.registry.published import BenchmarkTask

INDEX = Path(__file__).with_name("known_plugins.json")
SCHEMA = 1
"""Grows when a key of the index changes its meaning or goes away."""
_TEXTS = ("requires", "suffixes", "file_names", "folder_files")
"""Keys of components that hold lists of text."""


@dataclass(frozen=True, kw_only=True)
class KnownComponent:
    """Something that a plugin of the index offers."""

    kind: str
    name: str
    summary: str
    distribution: str
    """The plugin's distribution, as pip knows it."""
    group: str = ""
    """Of a command: the heading under which ``--help`` lists it."""
    requires: tuple[str, ...] = ()
    """Requirements beyond the distribution's own."""
    requires_note: str = ""
    """Where those cannot be met, as a clause for the end of a sentence."""
    tasks: tuple[BenchmarkTask, ...] = ()
    """Of a dataset: the rows of the published benchmark that it serves."""
    suffixes: tuple[str, ...] = ()
    """Of a reader, with the next two: by what its files are told, see ``ReaderSpec``."""
    file_names: tuple[str, ...] = ()
    folder_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KnownPlugin:
    """A distribution of the index."""

    distribution: str
    summary: str
    components: tuple[KnownComponent, ...]
    """What it offers; empty for a library that plugins share."""


@cache
def known_plugins() -> tuple[KnownPlugin, ...]:
    """Return the plugins of the index, sorted by the name of their distribution."""
    plugins = []
    for item in _index()["plugins"]:
        name = item["distribution"]
        components = tuple(_component(fields, name) for fields in item["components"])
        plugins.append(
            KnownPlugin(distribution=name, summary=item["summary"], components=components)
        )
    return tuple(plugins)


def examples() -> dict[str, str]:
    """Return the names of a dataset and an encoder to begin with, by kind."""
    return dict(_index()["examples"])


def known_components(kind: str | None = None) -> list[KnownComponent]:
    """Return what the plugins of the index offer.

    Args:
        kind: One kind of component; None: all.

    >>> {component.kind for component in known_components("encoder")}
    {'encoder'}
    """
    return [
        component
        for plugin in known_plugins()
        for component in plugin.components
        if kind in (None, component.kind)
    ]


@cache
def _index() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(INDEX.read_text(encoding="utf-8"))
    return data


def _component(fields: dict[str, Any], distribution: str) -> KnownComponent:
    # JSON has lists where the records have tuples.
    tasks = tuple(
        BenchmarkTask(**{**task, "published_sizes": tuple(task["published_sizes"])})
        for task in fields.get("tasks", ())
    )
    texts = {name: tuple(fields[name]) for name in _TEXTS if name in fields}
    return KnownComponent(**{**fields, **texts, "tasks": tasks}, distribution=distribution)
