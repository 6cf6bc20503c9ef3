"""``matsciml eos``: the equation of state of a crystal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from matsciml_cli.options import ModelFolder
from matsciml_cli.state import registry_of
from matsciml_tool_physics.commands.property_command import (
    ComputationOptions,
    CrystalFile,
    LargestForce,
    PropertyCommand,
    Steps,
    property_command,
)


@property_command
def eos(
    context: typer.Context,
    run: ModelFolder,
    file: CrystalFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of results; default: FILE-eos.")
    ] = None,
    span: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Largest relative change of the volume.")
    ] = 0.06,
    points: Annotated[int, typer.Option(min=5, max=1000, help="Number of volumes.")] = 11,
    relaxed: Annotated[
        Literal["none", "atoms", "shape"],
        typer.Option("--relax", help="What is relaxed at each volume; shape: atoms and shape."),
    ] = "atoms",
    largest_force: LargestForce = 0.005,
    steps: Steps = 300,
    *,
    options: ComputationOptions,
) -> None:
    """Compute energies of a crystal at several volumes, and fit an equation of state.

    The third-order equation of Birch and Murnaghan gives the volume V0 of least energy, the bulk
    modulus B0 (GPa) and its derivative B0' with respect to pressure. Volumes lie around that of
    FILE: a minimum outside of them is reported, with a warning. Results are eos.json, eos.csv and
    the page eos.html.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import eos_page
    from matsciml_tool_physics.equation_of_state import equation_of_state

    command = PropertyCommand(
        name="eos",
        options=options,
        folder=output or Path(f"{file.stem}-eos"),
        inputs=[file],
    )
    command.check()
    settings = {
        "span": span,
        "points": points,
        "relax": relaxed,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
    }
    computation, (atoms,) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        result = equation_of_state(
            atoms,
            span=span,
            points=points,
            relaxed=relaxed,
            largest_force=largest_force,
            steps=steps,
            report=report,
        )
    command.conclude(eos_page, result, computation)
