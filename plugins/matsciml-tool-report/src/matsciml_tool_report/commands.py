"""The commands ``matsciml report`` and ``matsciml leaderboard``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of

COMPARISON = "comparison.html"
"""File of a comparison where ``--output`` names no other."""


def report(
    context: typer.Context,
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or folders that hold some, as in runs/*.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File of the comparison; default: comparison.html beside the runs.",
        ),
    ] = None,
    replace: Replace = False,
) -> None:
    """Draw the report of one run again, finished or interrupted; compare several on one page.

    The report in a run's folder is drawn from what lies beside it, and is always replaced; the page
    of a comparison is with --replace.
    """
    from matsciml_tool_report.comparison import write_comparison
    from matsciml_tool_report.describe_crystals import open_datasets
    from matsciml_tool_report.report import write_report
    from matsciml_tool_report.run_folders import find_runs

    compared = find_runs(runs)
    # A single run is compared only where a file for the comparison is named.
    if len(compared) == 1 and output is None:
        folder, registry = compared[0].folder, registry_of(context)
        write_line(f"Report: {write_report(folder, registry, open_datasets(folder, registry))}")
        return
    # The folder that holds all runs, however deep they lie.
    beside = Path(os.path.commonpath([run.folder.parent for run in compared]))
    page = output or beside / COMPARISON
    check_output(page, replace=replace, inputs=[run.folder for run in compared])
    command = shlex.join(["matsciml", "report", *map(str, runs)])
    with telling_on_stop(NOTHING_WRITTEN):
        write_comparison(compared, page, command)
    write_line(f"Comparison of {len(compared)} runs: {page}")


def leaderboard(
    context: typer.Context,
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders, or folders that hold some, at any depth.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the site.")] = Path(
        "site"
    ),
    replace: Replace = False,
) -> None:
    """Rank finished runs by label and split, as a static site with their reports.

    Writes index.html, index.md, index.csv and index.json, and each run's report, configuration and
    summary anew from its data; a run folder that holds a link is refused.
    """
    from matsciml_tool_report.leaderboard import write_site
    from matsciml_tool_report.run_folders import find_runs

    check_output(output, replace=replace, inputs=folders)
    command = shlex.join(["matsciml", "leaderboard", *map(str, folders), "--output", str(output)])
    with telling_on_stop("The site may lack pages; the same command with --replace makes it anew."):
        site = write_site(find_runs(folders), output, registry_of(context), command)
    write_line(f"Leaderboard: {site}")
