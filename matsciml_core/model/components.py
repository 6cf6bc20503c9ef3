"""From a component's record and settings to the component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.registry.specs import Spec


def build_component(spec: Spec, options: Mapping[str, Any], where: str) -> Any:
    """Build a dataset, encoder or strategy from its spec and settings."""
    return spec.load()(component_config(spec, options, where))


def component_config(spec: Spec, options: Mapping[str, Any], where: str) -> Any | None:
    """Return the component's validated settings, or None where it has none.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    model = spec.load_config()
    if model is not None:
        return model.from_options(options, where=where)
    if options:
        raise ConfigError(
            f"The {spec.kind} '{spec.name}' has no settings; leave "
            f"'{where}.{next(iter(options))}' away."
        )
    return None
