"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl

_COMMANDS = {
    "eos": "Fit an equation of state to energies of a model.",
    "elastic": "Compute elastic constants with a model.",
    "phonons": "Compute phonons with a model.",
    "barrier": "Find the barrier between two structures.",
    "vacancy": "Compute formation energies of vacancies with a model.",
    "surface": "Compute surface energies with a model.",
}


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer properties that follow from energies, forces and stresses."""
    for name, summary in _COMMANDS.items():
        yield CommandSpec(
            name=name,
            group="Use a model",
            summary=summary,
            class_path=f"matsciml_tool_physics.commands.{name}:{name}",
        )
