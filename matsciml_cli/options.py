"""Arguments and options that several verbs take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run, or of an exported model.")
]
FileFormat = Annotated[
    str | None, typer.Option("--format", help="Format of FILE; default: by its name.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Budget = Annotated[str, typer.Option(help="What it may cost: mini, devset or full.")]
Launcher = Annotated[str, typer.Option(help="Where to run: local, ray or slurm.")]
TableRows = Annotated[
    list[Path] | None, typer.Option("--rows", help="YAML file with rows of your own.")
]
TableParent = Annotated[Path, typer.Option("--output", "-o", help="Parent of the table's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Precision = Annotated[str | None, typer.Option(help="float32 or float64; default: the model's.")]
