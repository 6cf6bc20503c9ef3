"""``matsciml export``: a trained model as a folder that can be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import write_line


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; new, or empty.")],
    name: Annotated[str, typer.Option(help="Name of the model; default: the run folder's.")] = "",
    licence: Annotated[
        str,
        typer.Option("--licence", "--license", help="Licence of the model, such as MIT."),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an exported model in the folder.")
    ] = False,
) -> None:
    """Write the model of a run to a folder that can be put on a hub.

    It holds the tensors (safetensors), the description and configuration (JSON, YAML), what the
    run found (run.json), a card with errors, data, licences and intended use (README.md), and the
    citations (CITATION.bib). Nothing in it can execute code. Others use it as they would a run:
    matsciml predict FOLDER files…, or matsciml run --init-from FOLDER.
    """
    from matsciml_tool_export.export import export_model

    folder = export_model(run, to, name=name, licence=licence, replace=replace)
    write_line(f"Exported model: {folder}")
    write_line(f"Card:           {folder / 'README.md'}")
