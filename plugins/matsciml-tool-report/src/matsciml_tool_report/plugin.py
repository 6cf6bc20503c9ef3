"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, RunInfo, Spec, hookimpl
from matsciml_tool_report import hooks, offers, sections


@hookimpl
def matsciml_hookspecs() -> Iterable[type]:
    """Let other plugins add sections to the report."""
    yield hooks.ReportHooks


@hookimpl
def matsciml_report_sections() -> Iterable[hooks.ReportSectionSpec]:
    """Offer the sections that every report has."""
    return sections.SECTIONS


@hookimpl(optionalhook=True)
def matsciml_folder_pages() -> Iterable[Spec]:
    """Offer report, comparison and leaderboard to what shows folders of runs."""
    return offers.PAGES


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer reports, comparisons and the leaderboard."""
    return offers.COMMANDS


@hookimpl
def matsciml_after_fit(run: RunInfo) -> str:
    """Write the report of a finished run."""
    from matsciml_tool_report.report import write_report

    return f"Report:     {write_report(run.folder, run.registry, run.datasets)}"
