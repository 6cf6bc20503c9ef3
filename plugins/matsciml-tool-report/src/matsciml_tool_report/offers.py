"""The commands that this plugin offers, and its pages for tools that show folders of runs."""

from __future__ import annotations

from matsciml_core import CommandSpec
from matsciml_util_pages.folder_pages import RUN_FILES, FolderPageSpec

COMMANDS = (
    CommandSpec(
        name="report",
        group="Evaluate",
        summary="Draw a run's report again, or compare runs on one page.",
        class_path="matsciml_tool_report.commands:report",
    ),
    CommandSpec(
        name="leaderboard",
        group="Evaluate",
        summary="Rank finished runs, as a static site.",
        class_path="matsciml_tool_report.commands:leaderboard",
    ),
)
PAGES = (
    FolderPageSpec(
        name="report",
        title="Report",
        order=10,
        summary="The report of a run, finished or still training.",
        class_path="matsciml_tool_report.folder_pages:report",
        files=RUN_FILES,
    ),
    FolderPageSpec(
        name="comparison",
        title="Comparison",
        order=20,
        summary="What the runs reached, how they learnt, and where they differ.",
        class_path="matsciml_tool_report.folder_pages:comparison",
    ),
    FolderPageSpec(
        name="leaderboard",
        title="Leaderboard",
        order=30,
        summary="The best finished runs for each label and split.",
        class_path="matsciml_tool_report.folder_pages:leaderboard",
    ),
)
