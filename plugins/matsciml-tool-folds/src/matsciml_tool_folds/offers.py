"""The pages that this plugin offers to tools that show folders of runs."""

from __future__ import annotations

from matsciml_util_pages.folder_pages import FolderPageSpec

PAGES = (
    FolderPageSpec(
        name="folds",
        title="Cross-validation",
        order=50,
        summary="Mean and deviation over the folds that have finished.",
        class_path="matsciml_tool_folds.folder_pages:cross_validation",
        files=("folds.json",),
    ),
)
