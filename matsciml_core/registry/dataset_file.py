"""The declaration of a dataset as a file: labels, splits, citations and known problems are data.

A file of TOML has the fields of :class:`~matsciml_core.registry.specs.DatasetSpec` as keys::

    name = "mine"
    summary = "My crystals."
    class_path = "matsciml_data_mine.dataset:Mine"

    [splits]
    random = "80/10/10 of the crystals, by the seed."

    [[targets]]
    name = "formation_energy_per_atom"
    kind = "scalar"
    unit = "eV/atom"

    [[references]]
    key = "roe2020salts"
    …
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from matsciml_core.errors import RegistryError
from matsciml_core.registry.published import BenchmarkTask, PublishedNumber
from matsciml_core.registry.specs import DatasetSpec, Reference
from matsciml_core.registry.targets import TargetInfo

Record = TypeVar("Record")
_FIELDS = frozenset(field.name for field in fields(DatasetSpec))
_SUBSETS = 3
"""Sizes of a published split: training, validation and test."""


def read_dataset_spec(module_file: str, *names: str, **values: Any) -> DatasetSpec:
    """Read the declaration of a dataset that lies beside a module of its plugin.

    Args:
        module_file: ``__file__`` of the module.
        *names: Names of the files; what several datasets share may stand in a file of its own,
            and a later file overrides an earlier one. None: ``dataset.toml``.
        **values: Fields that the plugin computes.

    Returns:
        The record, for the hook ``matsciml_datasets``.

    Raises:
        RegistryError: A file cannot be read, has a key that no dataset has, or contradicts itself.
    """
    data: dict[str, Any] = {}
    for name in names or ("dataset.toml",):
        data |= _read(Path(module_file).with_name(name))
    shown = f"'{', '.join(names or ('dataset.toml',))}' beside '{module_file}'"
    unknown = sorted(data.keys() - _FIELDS)
    if unknown:
        raise RegistryError(
            f"The declaration {shown} has the key '{unknown[0]}', which no dataset has; keys are "
            f"{', '.join(sorted(_FIELDS))}."
        )
    try:
        declared = {
            **data,
            "targets": tuple(TargetInfo.from_data(entry) for entry in data.get("targets", ())),
            "references": _records(Reference, data.get("references", ())),
            "tasks": _records(BenchmarkTask, map(_with_sizes, data.get("tasks", ()))),
            "published": _records(PublishedNumber, data.get("published", ())),
            # TOML has lists, and records must not be changed.
            "known_problems": tuple(data.get("known_problems", ())),
            "requires": tuple(data.get("requires", ())),
        }
        return DatasetSpec(**(declared | values))
    except TypeError as error:
        raise RegistryError(f"The declaration {shown} is incomplete: {error}.") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOML's own error is a ValueError
        raise RegistryError(
            f"The declaration of a dataset '{file}' cannot be read ({error}); install its plugin "
            "again."
        ) from error


def _records(kind: type[Record], entries: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    return tuple(kind(**entry) for entry in entries)


def _with_sizes(task: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the published sizes of a task: TOML has no null for a subset that does not exist."""
    sizes = [*task.get("published_sizes", ()), None, None, None]
    return {**task, "published_sizes": tuple(sizes[:_SUBSETS])}
