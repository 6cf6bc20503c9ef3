"""What checks are run on: a component's class with its settings and what its spec declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import nn

from matsciml_core.errors import ConfigError
from matsciml_core.registry.specs import Spec


@dataclass
class Subject:
    """A component under test; each kind of component has a subclass with what its checks need."""

    spec: Spec
    """What the component declares."""
    component: type[Any]
    """The class under test; usually what ``spec.load()`` returns."""
    config: Any = None
    """The settings it is built with."""
    quick: bool = False
    """Whether slow checks are left out and samples are small."""
    default_config: bool = True
    """Whether the settings are the defaults, for which alone the spec states a size."""

    dtype: ClassVar[torch.dtype] = torch.float64
    """Precision of the checks; decides which limit of a tolerance holds."""
    reads_files: ClassVar[bool] = False
    """Whether building it may fail for lack of files, which the user can mend."""

    @classmethod
    def from_spec(
        cls,
        spec: Spec,
        options: Mapping[str, Any] | None = None,
        *,
        component: type[Any] | None = None,
        quick: bool = False,
    ) -> Self:
        """Load what a spec names.

        Args:
            spec: What the component declares.
            options: Its settings, as plain data.
            component: The class; None: the one that the spec names.
            quick: Whether to leave out slow checks.

        Returns:
            The subject; the component is built by the first check that needs it.

        Raises:
            PluginLoadError: The class or its config cannot be imported.
            ConfigError: A setting is unknown, or of the wrong type.
        """
        return cls(
            spec=spec,
            component=spec.load() if component is None else component,
            config=_config(spec, options or {}),
            quick=quick,
            default_config=not options,
        )

    def prepare(self) -> None:
        """Build the component once, so that one that cannot be built is noticed first.

        Raises:
            MatSciMLError: For a component that ``reads_files``: something that the user can mend,
                such as data that is not there yet.
        """
        raise NotImplementedError


def stir_zeros(module: nn.Module) -> None:
    """Give parameters that start at exactly zero a little noise, lest they hide a violation."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.01)


def _config(spec: Spec, options: Mapping[str, Any]) -> Any:
    config = spec.load_config()
    if config is not None:
        return config.from_options(options, where=spec.name)
    if options:
        raise ConfigError(
            f"The {spec.kind} '{spec.name}' has no settings; leave '{next(iter(options))}' out."
        )
    return None
