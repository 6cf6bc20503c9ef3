"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer generated crystals and their evaluation."""
    yield CommandSpec(
        name="generate",
        group="Use a model",
        summary="Generate crystals with a trained model.",
        class_path="matsciml_tool_generate.generate_command:generate",
    )
    yield CommandSpec(
        name="reconstruct",
        group="Use a model",
        summary="Encode crystals, decode them again, and compare.",
        class_path="matsciml_tool_generate.reconstruct_command:reconstruct",
    )
    yield CommandSpec(
        name="evaluate-crystals",
        group="Evaluate",
        summary="Evaluate generated crystals beside a reference.",
        class_path="matsciml_tool_generate.evaluate_crystals_command:evaluate_crystals",
    )
