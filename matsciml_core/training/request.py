"""What a program asks :func:`matsciml_core.train` for: names, settings and objects become one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.model.inputs import is_structure
from matsciml_core.model.objects import (
    ObjectDatasetSpec,
    ObjectEncoderSpec,
    objects_record,
    record_object,
)
from matsciml_core.training.config import RunConfig, dump_config, override
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.structures import LabelledStructures, Unit, label_structures

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_core.registry.specs import Spec


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels and units that were handed over beside structures."""

    values: Mapping[str, Any] | None = None
    units: Mapping[str, Unit] | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run that was asked for."""

    data: dict[str, Any]
    """The configuration as plain data; the dataset is missing where there are ``structures``."""
    registry: Registry
    """Where components are looked up, objects that were handed over included."""
    structures: LabelledStructures | None = None


def read_request(
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None,
    sections: Mapping[str, Any],
    labels: Labels,
    registry: Registry,
) -> Request:
    """Turn what was handed over into a configuration, and a registry that includes the objects.

    Args:
        config: A configuration, plain data, or a YAML file; None: ``sections`` are all there is.
        sections: Sections of a configuration, which win over ``config``; None where not given.
            The sections ``dataset`` and ``encoder`` may be objects.
        labels: Labels and units of structures.
        registry: Where names are looked up.

    Raises:
        ConfigError: Something contradicts something else.
        MatSciMLError: Structures or labels cannot be used.
    """
    if isinstance(config, RunConfig):
        data: Mapping[str, Any] = dump_config(config)
    elif isinstance(config, str | os.PathLike):
        data = read_config_file(config)
    else:
        data = config or {}
    given = dict(sections)
    specs: list[Spec] = []
    entries, structures = _datasets(given.pop("dataset", None), labels)
    for index, entry in enumerate(entries):
        if isinstance(entry, Dataset):
            spec, entries[index] = record_object(entry, ObjectDatasetSpec, registry)
            specs.append(spec)
    if isinstance(given.get("encoder"), Encoder):
        spec, given["encoder"] = record_object(given["encoder"], ObjectEncoderSpec, registry)
        specs.append(spec)
    if structures is not None:
        given.setdefault("targets", None)
        if given["targets"] is None:  # who hands labels over wants to learn them
            given["targets"] = [info.name for info in structures.targets]
    # One entry may be settings for the dataset that the configuration names; several are a list.
    given |= {"dataset": entries[0]} if len(entries) == 1 else {"datasets": entries}
    return Request(
        data=override(data, given),
        registry=registry.including(objects_record(tuple(specs))) if specs else registry,
        structures=structures,
    )


def _datasets(dataset: Any, labels: Labels) -> tuple[list[Any], LabelledStructures | None]:
    """Return names, settings and objects of datasets; or structures with their labels."""
    if dataset is None:
        entries: list[Any] = []
    elif isinstance(dataset, str | Mapping | Dataset) or is_structure(dataset):
        entries = [dataset]
    elif isinstance(dataset, Iterable):
        entries = list(dataset)
        if not entries:
            raise ConfigError("The list of structures is empty; hand over some structures.")
    else:
        raise ConfigError(
            f"'dataset' is a {type(dataset).__name__}; give a name, settings with a name, a "
            "Dataset, or a list of pymatgen Structures, ASE Atoms or Crystals."
        )
    if entries and is_structure(entries[0]):
        return [], label_structures(entries, labels.values, labels.units)
    if labels.values is not None or labels.units is not None:
        raise ConfigError(
            "'labels' and 'units' belong to a list of structures; a dataset has its own, of which "
            "'targets' names those to learn."
        )
    return entries, None
