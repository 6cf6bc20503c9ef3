"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer properties that follow from energies, forces and stresses."""
    yield CommandSpec(
        name="eos",
        group="Use a model",
        summary="Fit an equation of state to energies of a model.",
        class_path="matsciml_tool_physics.commands.eos:eos",
    )
    yield CommandSpec(
        name="elastic",
        group="Use a model",
        summary="Compute elastic constants with a model.",
        class_path="matsciml_tool_physics.commands.elastic:elastic",
    )
    yield CommandSpec(
        name="phonons",
        group="Use a model",
        summary="Compute phonons with a model.",
        class_path="matsciml_tool_physics.commands.phonons:phonons",
    )
    yield CommandSpec(
        name="barrier",
        group="Use a model",
        summary="Find the barrier between two structures.",
        class_path="matsciml_tool_physics.commands.barrier:barrier",
    )
