"""Arguments and options that several verbs take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run, or of an exported model.")
]
GeneratorFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run that learnt to make crystals.")
]
FileFormat = Annotated[
    str | None, typer.Option("--format", help="Format of FILE; default: by its name.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Precision = Annotated[str | None, typer.Option(help="float32 or float64; default: the model's.")]
