"""``matsciml report``: draw a run's report again, or compare runs on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.state import registry_of


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
) -> None:
    """Draw the report of one run again, finished or interrupted; compare several on one page."""
    from matsciml_tool_report import write_pages

    write_pages.write_report(runs, output, registry_of(context))
