"""The pages that this plugin offers to tools that show folders."""

from __future__ import annotations

from matsciml_util_pages.folder_pages import FolderPageSpec

ENDING = ".matbench.json"
"""How the names of summaries of records end."""
PAGES = (
    FolderPageSpec(
        name="matbench",
        title="MatBench",
        order=56,
        summary="Errors on tasks of MatBench among published ones.",
        class_path="matsciml_tool_matbench.folder_pages:records",
        files=(f"*{ENDING}",),
        holds_runs=False,
    ),
)
