"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_hookspecs() -> Iterable[str]:
    """Let other plugins add pages about folders of runs."""
    yield "matsciml_util_pages.folder_pages:FolderPageHooks"


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the pages of a folder of runs."""
    yield CommandSpec(
        name="ui",
        group="Evaluate",
        summary="Look at a folder of runs in a browser, while they train.",
        class_path="matsciml_tool_ui.commands:ui",
    )
