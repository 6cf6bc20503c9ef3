"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CheckSpec, CommandSpec, EnvironmentSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the making and removing of environments."""
    yield CommandSpec(
        name="env",
        group="Plugins",
        summary="Make environments for plugins that do not get along.",
        class_path="matsciml_tool_env.commands:env",
    )


@hookimpl
def matsciml_environments() -> Iterable[EnvironmentSpec]:
    """Name the environments that are whole."""
    from matsciml_tool_env.index import environment_specs

    return environment_specs()


@hookimpl
def matsciml_checks() -> Iterable[CheckSpec]:
    """Offer checks of environments, and of what keeps plugins from one environment."""
    yield CheckSpec(
        name="environments",
        summary="Plugins get along, and environments are whole.",
        class_path="matsciml_tool_env.checks:checks",
    )
