"""The pages that this plugin offers to tools that show folders of runs."""

from __future__ import annotations

from matsciml_util_pages.folder_pages import FolderPageSpec

PAGES = (
    FolderPageSpec(
        name="sweep",
        title="Sweep",
        order=40,
        summary="What a search for settings has found so far.",
        class_path="matsciml_tool_sweep.folder_pages:sweep",
        files=("sweep.json", "journal.log"),
    ),
)
