"""``matsciml leaderboard``: a static site from many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders, or folders that hold some, at any depth.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the site.")] = Path(
        "site"
    ),
) -> None:
    """Rank finished runs by label and split, as a static site with their reports.

    Writes index.html, index.md, index.csv and index.json, and copies each run's report,
    configuration and summary.
    """
    from matsciml_tool_report import write_pages

    write_pages.write_leaderboard(folders, output)
