"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer cross-validation and ensembles."""
    yield CommandSpec(
        name="folds",
        group="Train",
        summary="Cross-validate: train a run for each fold, and average over them.",
        class_path="matsciml_tool_folds.commands:folds",
    )
    yield CommandSpec(
        name="ensemble",
        group="Use a model",
        summary="Make one model of several: their mean, and how far they differ.",
        class_path="matsciml_tool_folds.commands:ensemble",
    )
