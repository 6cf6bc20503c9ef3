"""Report, comparison and leaderboard for tools that show folders of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matsciml_core.errors import ConfigError
from matsciml_core.training.run_folder import SUMMARY
from matsciml_tool_report.comparison import comparison_page
from matsciml_tool_report.leaderboard import finished_runs, leaderboard_page
from matsciml_tool_report.report import report_page
from matsciml_tool_report.run_folders import ComparedRun, read_compared
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import Page
from matsciml_util_pages.run_files import read_run

_MOST_COMPARED = 40
"""Runs of a comparison: each is a line of the table, and of settings a column."""
_UNFINISHED = "This run has not finished; its numbers may change."


def report(subject: PageSubject) -> Page:
    """Return the report of a run, finished or not.

    Args:
        subject: The run.
    """
    run = read_run(subject.folder)
    page = report_page(run, subject.registry)
    if (subject.folder / SUMMARY).exists():
        return page
    # A run writes its summary last; until then the lack of it is no damage.
    notices = [notice for notice in page.notices if notice != run.problems.get(SUMMARY)]
    return replace(page, notices=[_UNFINISHED, *notices])


def comparison(subject: PageSubject) -> Page:
    """Return a page that compares the newest runs of a folder.

    Args:
        subject: The folder.
    """
    page = comparison_page(_read(subject.runs[:_MOST_COMPARED]), subject.address)
    left = len(subject.runs) - _MOST_COMPARED
    if left <= 0:
        return page
    notice = f"The newest {_MOST_COMPARED} runs are compared, {left} older ones are not."
    return replace(page, notices=[notice, *page.notices])


def leaderboard(subject: PageSubject) -> Page:
    """Return a page that ranks the finished runs of a folder.

    Args:
        subject: The folder.
    """
    runs = _read(subject.runs)
    links = {run.folder: subject.address(run.folder) for run in finished_runs(runs)}
    return leaderboard_page(runs, links)


def _read(folders: Sequence[Path]) -> list[ComparedRun]:
    """Read those runs that have written their configuration or their summary by now.

    Raises:
        ConfigError: None has.
    """
    runs = []
    for folder in folders:
        try:
            runs.append(read_compared(folder))
        except ConfigError:
            continue
    if not runs:
        raise ConfigError("There is no run yet; make one with 'matsciml run'.")
    return runs
