"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, Spec, hookimpl
from matsciml_tool_sweep import offers


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer searches for settings."""
    yield CommandSpec(
        name="sweep",
        group="Train",
        summary="Search for the best settings of a run.",
        class_path="matsciml_tool_sweep.commands:sweep",
    )


@hookimpl(optionalhook=True)
def matsciml_folder_pages() -> Iterable[Spec]:
    """Offer the page of a sweep to what shows folders of runs."""
    return offers.PAGES
