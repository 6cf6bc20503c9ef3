"""Arguments and options that several subcommands take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_core.device_names import check_device_name

ModelFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="Folder of a run or of an exported model, or a pretrained model's name."
    ),
]
FileFormat = Annotated[
    str | None, typer.Option("--format", help="Format of FILE; default: by its name.")
]
FormatSettings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="A setting of the format of FILE as KEY=VALUE."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …", callback=check_device_name)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Precision = Annotated[str | None, typer.Option(help="float32 or float64; default: the model's.")]
