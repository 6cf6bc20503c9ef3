"""What ``matsciml report`` and ``matsciml leaderboard`` do once their arguments are read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matsciml_tool_report.comparison import write_comparison
from matsciml_tool_report.leaderboard import write_site
from matsciml_tool_report.page import write_report as write_run_report
from matsciml_tool_report.run_folders import KnownRun, find_runs
from matsciml_tool_report.tested_crystals import open_datasets

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_COMPARISON = "comparison.html"


def write_report(paths: Sequence[Path], output: Path | None, registry: Registry) -> None:
    """Write the report of one run, or a comparison of several, and print where it lies.

    Args:
        paths: What the user named.
        output: File of the comparison; None: beside the runs. A single run is compared with nobody
            unless it is given.
        registry: Where the data are looked up of a run whose folder does not describe its crystals.

    Raises:
        ConfigError: There is no run.
    """
    runs = find_runs(paths)
    if len(runs) == 1 and output is None:
        folder = runs[0].folder
        print(f"Report: {write_run_report(folder, open_datasets(folder, registry))}")
        return
    page = output or _beside(runs) / _COMPARISON
    page.parent.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["matsciml", "report", *map(str, paths)])
    print(f"Comparison of {len(runs)} runs: {write_comparison(runs, page, command)}")


def write_leaderboard(paths: Sequence[Path], output: Path) -> None:
    """Write the site, and print where it lies.

    Args:
        paths: What the user named.
        output: Folder of the site.

    Raises:
        ConfigError: There is no finished run.
    """
    command = shlex.join(["matsciml", "leaderboard", *map(str, paths), "--output", str(output)])
    print(f"Leaderboard: {write_site(find_runs(paths), output, command)}")


def _beside(runs: Sequence[KnownRun]) -> Path:
    return Path(os.path.commonpath([run.folder.parent for run in runs]))
