"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer relaxation and molecular dynamics."""
    yield CommandSpec(
        name="relax",
        group="Use a model",
        summary="Relax a structure with a trained model.",
        class_path="matsciml_tool_simulate.commands.relax:relax",
    )
    yield CommandSpec(
        name="md",
        group="Use a model",
        summary="Run molecular dynamics with a trained model.",
        class_path="matsciml_tool_simulate.commands.md:md",
    )
