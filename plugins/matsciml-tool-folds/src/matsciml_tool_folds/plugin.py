"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, Spec, hookimpl
from matsciml_tool_folds import offers


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer cross-validation and ensembles."""
    yield CommandSpec(
        name="folds",
        group="Train",
        summary="Cross-validate: train a run for each fold, and average over them.",
        class_path="matsciml_tool_folds.commands:folds",
        run_option="--number",
    )
    yield CommandSpec(
        name="ensemble",
        group="Use a model",
        summary="Make one model of several: their mean, and how far they differ.",
        class_path="matsciml_tool_folds.commands:ensemble",
    )


@hookimpl(optionalhook=True)
def matsciml_folder_pages() -> Iterable[Spec]:
    """Offer the page of a cross-validation to what shows folders of runs."""
    return offers.PAGES
