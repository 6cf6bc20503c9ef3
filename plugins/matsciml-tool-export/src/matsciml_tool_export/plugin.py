"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer exported models, and models in LAMMPS."""
    yield CommandSpec(
        name="export",
        group="Use a model",
        summary="Write a trained model to a folder, ready to share.",
        class_path="matsciml_tool_export.commands:export",
    )
    yield CommandSpec(
        name="lammps",
        group="Use a model",
        summary="Run a LAMMPS script with a trained model.",
        class_path="matsciml_tool_export.commands:lammps",
    )
