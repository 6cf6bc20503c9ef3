"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, Spec, hookimpl
from matsciml_tool_matbench import offers


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer MatBench's tasks and records."""
    yield CommandSpec(
        name="matbench",
        group="Evaluate",
        summary="Run the tasks of MatBench with their folds, and write its records.",
        class_path="matsciml_tool_matbench.commands:matbench",
    )


@hookimpl(optionalhook=True)
def matsciml_folder_pages() -> Iterable[Spec]:
    """Offer the page of records to what shows folders of runs."""
    return offers.PAGES
