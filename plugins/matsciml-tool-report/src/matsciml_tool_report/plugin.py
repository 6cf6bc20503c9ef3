"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matsciml_core import CommandSpec, RunInfo, hookimpl


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer reports, comparisons and the leaderboard."""
    yield CommandSpec(
        name="report",
        group="Evaluate",
        summary="Draw a run's report again, or compare runs on one page.",
        class_path="matsciml_tool_report.commands:report",
    )
    yield CommandSpec(
        name="leaderboard",
        group="Evaluate",
        summary="Rank finished runs, as a static site.",
        class_path="matsciml_tool_report.commands:leaderboard",
    )


@hookimpl
def matsciml_after_fit(run: RunInfo) -> str:
    """Write the report of a finished run."""
    from matsciml_tool_report.page import write_report

    return f"Report:     {write_report(Path(run.folder), run.datasets)}"
