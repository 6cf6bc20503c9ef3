"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the learning-rate finder."""
    yield CommandSpec(
        name="lr-find",
        group="Train",
        summary="Find a learning rate by a short run whose rate rises.",
        class_path="matsciml_tool_lr_find.lr_find_command:lr_find",
    )
