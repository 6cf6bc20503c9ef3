"""Arguments and options that both commands of this tool take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Budget = Annotated[str, typer.Option(help="What it may cost: mini, devset or full.")]
Launcher = Annotated[str, typer.Option(help="Where to run: local, ray or slurm.")]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="Runs of each experiment; default: as the budget says.")
]
TableRows = Annotated[
    list[Path] | None, typer.Option("--rows", help="YAML file with rows of your own.")
]
TableParent = Annotated[Path, typer.Option("--output", "-o", help="Parent of the table's folder.")]
