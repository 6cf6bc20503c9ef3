"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer exported models."""
    yield CommandSpec(
        name="export",
        group="Use a model",
        summary="Write a trained model to a folder, ready to share.",
        class_path="matsciml_tool_export.commands:export",
    )
