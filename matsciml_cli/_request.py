"""What ``matsciml run`` is asked to do: flags, ``--set`` and file become plain data.

Nothing here imports torch, so that a misspelt name or setting is answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.model.location import adopt_encoder
from matsciml_core.registry.manager import Registry
from matsciml_core.training.config import (
    ComponentConfig,
    build_config,
    merge,
    normalise,
    parse_overrides,
    read_config_file,
)

_FIXED = ("datasets", "encoder", "targets", "strategy", "init", "output")
"""What a run that is resumed keeps."""


def read(flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """Join file, ``--set`` and flags into plain data.

    Args:
        flags: Values by key of the configuration; None or empty where a flag is absent.
        file: The configuration file; None: there is none.
        overrides: ``KEY=VALUE`` pairs; they win over the file, and flags win over them.

    Returns:
        Plain data.

    Raises:
        ConfigError: The file or a pair cannot be read.
    """
    data = normalise(read_config_file(file)) if file is not None else {}
    named = {key: value for key, value in flags.items() if value not in (None, [], {})}
    for section in ("encoder", "strategy"):
        _name(data, section, named.pop(section, None))
    _name_datasets(data, named.pop("datasets", None))
    changes = parse_overrides(overrides)
    dataset = changes.pop("dataset", None)
    merge(data, changes)
    if dataset is not None:
        data["dataset"] = dataset
        data = normalise(data)
    return adopt_encoder(merge(data, named))


def read_changes(
    flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str]
) -> dict[str, Any]:
    """Return the training settings to change on resume; nothing else may change.

    Args:
        flags: As for :func:`read`.
        file: As for :func:`read`; must be None.
        overrides: As for :func:`read`; keys must begin with ``training.``.

    Returns:
        Settings of the section ``training``.

    Raises:
        ConfigError: Something else is asked for.
    """
    changes = parse_overrides(overrides)
    training = changes.pop("training", {})
    fixed = [key for key in _FIXED if flags.get(key)]
    if file is not None or changes or fixed or not isinstance(training, Mapping):
        raise ConfigError(
            "'--resume' continues a run as it was configured; only training settings such as "
            "--epochs may be given with it."
        )
    return {**training, **flags["training"]}


def look_up(raw: Mapping[str, Any], registry: Registry) -> None:
    """Refuse unknown names and settings, which a run would refuse too, but seconds later.

    Args:
        raw: What :func:`read` returned.
        registry: Where the components are looked up.

    Raises:
        ConfigError: A setting is missing, unknown or wrong.
        RegistryError: A component does not exist or cannot be used.
    """
    config = build_config(raw)
    for dataset in config.datasets:
        _check(registry, "dataset", dataset, f"datasets.{dataset.name}")
    _check(registry, "encoder", config.encoder, "encoder")
    if config.strategy is not None:
        _check(registry, "strategy", config.strategy, "strategy")
    if "name" in config.head:
        registry.get("task-head", config.head["name"])


def _check(registry: Registry, kind: str, component: ComponentConfig, where: str) -> None:
    model = registry.get(kind, component.name).load_config()
    if model is not None:
        model.from_options(component.options, where=where)


def _name(data: dict[str, Any], section: str, name: str | None) -> None:
    """Let a flag name a component; settings in the file hold only for the one named there."""
    if name is not None and data.get(section, {}).get("name") != name:
        data[section] = {"name": name}


def _name_datasets(data: dict[str, Any], names: Sequence[str] | None) -> None:
    if names:
        known = {item.get("name"): item for item in data.get("datasets", [])}
        data["datasets"] = [known.get(name, {"name": name}) for name in names]
