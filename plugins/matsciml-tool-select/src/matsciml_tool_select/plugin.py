"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, Spec, hookimpl
from matsciml_tool_select import offers


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer active learning."""
    yield CommandSpec(
        name="select",
        group="Use a model",
        summary="Select what to compute next: where models differ, far from what is known.",
        class_path="matsciml_tool_select.commands:select",
    )


@hookimpl(optionalhook=True)
def matsciml_folder_pages() -> Iterable[Spec]:
    """Offer the page of selections to what shows folders of runs."""
    return offers.PAGES
