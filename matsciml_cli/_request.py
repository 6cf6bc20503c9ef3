"""The request of ``matsciml run``: flags, ``--set`` and file become plain data.

Nothing here imports torch, so that a misspelt name or setting is answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.model.adoption import adopt_encoder
from matsciml_core.registry.manager import Registry
from matsciml_core.training.config import build_config, override, require_objects
from matsciml_core.training.config_data import merge, parse_overrides, read_config_file

_FIXED = ("datasets", "encoder", "targets", "head", "strategy", "init", "output")
"""Sections that a resumed run keeps."""


def read(
    flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str], registry: Registry
) -> dict[str, Any]:
    """Join file, ``--set`` and flags into plain data.

    Args:
        flags: Values by key of the configuration; None or empty where a flag is absent.
        file: The configuration file; None: there is none.
        overrides: ``KEY=VALUE`` pairs; they win over the file, and flags win over them.
        registry: Where pretrained models are looked up.

    Returns:
        Plain data.

    Raises:
        ConfigError: The file or a pair cannot be read, or there is no model to start from.
    """
    data = read_config_file(file) if file is not None else {}
    named = {key: value for key, value in flags.items() if value not in (None, [], {})}
    # Flags that name components come first, so that --set can set what they name.
    components = [key for key in named if key in ("datasets", "encoder", "strategy")]
    names = {key: named.pop(key) for key in components}
    data = override(override(data, names), parse_overrides(overrides))
    return adopt_encoder(merge(data, named), registry)


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
    """Check names and settings without importing torch, which takes seconds.

    Args:
        raw: What :func:`read` returned.
        registry: Where the components are looked up.

    Raises:
        ConfigError: A setting is missing, unknown or wrong.
        RegistryError: A component does not exist or cannot be used.
    """
    config = build_config(raw)
    require_objects(config, registry)
    components = [
        *(("dataset", item, config.section_of(item)) for item in config.datasets),
        ("encoder", config.encoder, "encoder"),
        *([("strategy", config.strategy, "strategy")] if config.strategy is not None else []),
    ]
    for kind, component, where in components:
        model = registry.get(kind, component.name).load_config()
        if model is not None:
            model.from_options(component.options, where=where)
    for name in config.training.loggers or ():
        registry.get("logger", name)
    if "name" in config.head:
        registry.get("task-head", config.head["name"])
