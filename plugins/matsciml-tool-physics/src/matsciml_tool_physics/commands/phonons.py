"""``matsciml phonons``: vibrations of a crystal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

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
def phonons(
    context: typer.Context,
    run: ModelFolder,
    file: CrystalFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of results; default: FILE-phonons."),
    ] = None,
    displacement: Annotated[
        list[float] | None,
        typer.Option(help="Length, Å; repeat to compare. Default: 0.01 and 0.03."),
    ] = None,
    supercell: Annotated[
        str | None,
        typer.Option(help="Cells along each axis, such as 3,3,2; default: at least 10 Å."),
    ] = None,
    relaxed: RelaxedFirst = "full",
    largest_force: LargestForce = 1e-4,
    steps: Steps = 500,
    mesh: Annotated[
        float, typer.Option(min=1, help="Points along an axis times its length, Å.")
    ] = 60.0,
    *,
    options: ComputationOptions,
) -> None:
    """Compute phonons of a crystal: bands, density of states, free energy, imaginary modes.

    Atoms of a supercell are displaced by phonopy. Two lengths of displacement are compared, since
    forces of some models do not follow small ones; the numbers are those of the larger. Results are
    phonons.json, phonons.csv (bands), phonons.html, and phonopy.yaml with the force constants,
    which phonopy goes on from.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import phonon_spectrum, phonons_page
    from matsciml_tool_physics.crystals import read_cells

    command = PropertyCommand(
        name="phonons",
        options=options,
        folder=output or Path(f"{file.stem}-phonons"),
        inputs=[file],
        others=["phonopy.yaml"],
    )
    command.check()
    lengths = displacement or [0.01, 0.03]
    cells = None if supercell is None else read_cells(supercell)
    settings = {
        "displacements_A": lengths,
        "supercell": supercell,
        "relax": relaxed,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
        "mesh_A": mesh,
    }
    computation, (atoms,) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        result, objects = phonon_spectrum.phonons(
            atoms,
            displacements=lengths,
            supercell=cells,
            relaxed=relaxed,
            largest_force=largest_force,
            steps=steps,
            mesh=mesh,
            report=report,
        )
    save = partial(objects[-1].save, settings={"force_constants": True})
    command.conclude(phonons_page, result, computation, {"phonopy.yaml": save})
