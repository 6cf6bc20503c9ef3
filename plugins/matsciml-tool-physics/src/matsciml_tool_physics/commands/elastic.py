"""``matsciml elastic``: the elastic constants of a crystal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import Row, write_table
from matsciml_cli.options import ModelFolder
from matsciml_cli.state import registry_of
from matsciml_tool_physics.commands.property_command import (
    ComputationOptions,
    CrystalFile,
    LargestForce,
    PropertyCommand,
    RelaxedFirst,
    Steps,
    property_command,
)


@property_command
def elastic(
    context: typer.Context,
    run: ModelFolder,
    file: CrystalFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of results; default: FILE-elastic."),
    ] = None,
    strain: Annotated[
        float, typer.Option(min=1e-5, max=0.1, help="Largest component of the strains.")
    ] = 0.005,
    relaxed: RelaxedFirst = "full",
    clamped: Annotated[
        bool, typer.Option("--clamped", help="Let no atoms relax in the strained cells.")
    ] = False,
    largest_force: LargestForce = 1e-4,
    steps: Steps = 500,
    symprec: Annotated[
        float, typer.Option(min=1e-8, help="Tolerance of the search for symmetry, Å.")
    ] = 0.01,
    *,
    options: ComputationOptions,
) -> None:
    """Compute all elastic constants of a crystal from stresses and from energies.

    The cell is relaxed first, and atoms relax in every strained cell. Both ways are shown beside
    each other; those from stresses are made as symmetric as the crystal is, and give its stability
    and the moduli of a polycrystal. Results are elastic.json, elastic.csv and elastic.html.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import elastic_page
    from matsciml_tool_physics.elasticity import elastic_constants

    command = PropertyCommand(
        name="elastic",
        options=options,
        folder=output or Path(f"{file.stem}-elastic"),
        inputs=[file],
    )
    command.check()
    settings = {
        "strain": strain,
        "relax": relaxed,
        "clamped": clamped,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
        "symprec_A": symprec,
    }
    computation, (atoms,) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        result = elastic_constants(
            atoms,
            strain=strain,
            relaxed=relaxed,
            relaxed_ions=not clamped,
            largest_force=largest_force,
            steps=steps,
            symprec=symprec,
            report=report,
        )
    header = ("GPa", *map(str, range(1, 7)))
    write_table([Row(row) for row in elastic_page.matrix_rows(result)], header=header)
    command.conclude(elastic_page, result, computation)
