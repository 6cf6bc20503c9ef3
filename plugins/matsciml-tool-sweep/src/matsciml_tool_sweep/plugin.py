"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer searches for settings."""
    yield CommandSpec(
        name="sweep",
        group="Train",
        summary="Search for the best settings of a run.",
        class_path="matsciml_tool_sweep.commands:sweep",
    )
