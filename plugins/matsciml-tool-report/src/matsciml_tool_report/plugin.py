"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matsciml_core import CommandSpec, RunInfo, hookimpl
from matsciml_tool_report import hooks, sections


@hookimpl
def matsciml_hookspecs() -> Iterable[type]:
    """Let other plugins add sections to the report."""
    yield hooks.ReportHooks


@hookimpl
def matsciml_report_sections() -> Iterable[hooks.ReportSectionSpec]:
    """Offer the sections that every report has."""
    return sections.SECTIONS


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer reports, comparisons and the leaderboard."""
    for name, summary in (
        ("report", "Draw a run's report again, or compare runs on one page."),
        ("leaderboard", "Rank finished runs, as a static site."),
    ):
        class_path = f"matsciml_tool_report.commands:{name}"
        yield CommandSpec(name=name, group="Evaluate", summary=summary, class_path=class_path)


@hookimpl
def matsciml_after_fit(run: RunInfo) -> str:
    """Write the report of a finished run."""
    from matsciml_tool_report.report import write_report

    return f"Report:     {write_report(Path(run.folder), run.registry, run.datasets)}"
