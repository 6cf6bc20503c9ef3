"""The pages that this plugin offers to tools that show folders."""

from __future__ import annotations

from matsciml_util_pages.folder_pages import FolderPageSpec

ENDING = ".selection.json"
"""How the names of records of selections end."""
PAGES = (
    FolderPageSpec(
        name="selection",
        title="Selection",
        order=55,
        summary="What was selected to be computed next, among which candidates.",
        class_path="matsciml_tool_select.folder_pages:selections",
        files=(f"*{ENDING}",),
        holds_runs=False,
    ),
)
