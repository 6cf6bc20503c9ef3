"""``matsciml vacancy``: formation energies of vacancies."""

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
def vacancy(
    context: typer.Context,
    run: ModelFolder,
    file: CrystalFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of results; default: FILE-vacancy."),
    ] = None,
    supercell: Annotated[
        list[str] | None,
        typer.Option(
            help="Cells along each axis, such as 3,3,2; repeat to compare. Default: 6, 9 and 12 Å."
        ),
    ] = None,
    element: Annotated[
        list[str] | None, typer.Option(help="Element of the vacancies; repeat. Default: all.")
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of what the atom goes to, of one element: crystal or molecule; repeat."
        ),
    ] = None,
    relaxed: RelaxedFirst = "full",
    rattle: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Displacements before relaxing, Å.")
    ] = 0.01,
    largest_force: LargestForce = 0.01,
    steps: Steps = 500,
    *,
    options: ComputationOptions,
) -> None:
    """Compute formation energies of vacancies of a crystal, against the size of the supercell.

    One neutral vacancy on each site that is distinct by symmetry, at the volume of the crystal. Of
    an element the atom goes back to the crystal; of a compound its chemical potential is the energy
    per atom of a --reference. Results are vacancy.json, vacancy.csv, vacancy.html, and the largest
    supercells as vacancies.extxyz.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import vacancies, vacancy_page
    from matsciml_tool_physics.crystals import read_cells
    from matsciml_tool_physics.references import chemical_potentials

    references = reference or []
    command = PropertyCommand(
        name="vacancy",
        options=options,
        folder=output or Path(f"{file.stem}-vacancy"),
        inputs=[file, *references],
        others=["vacancies.extxyz"],
    )
    command.check()
    sizes = [read_cells(text) for text in supercell or []]
    settings = {
        "supercells": supercell,
        "elements": element,
        "references": [path.name for path in references],
        "relax": relaxed,
        "rattle_A": rattle,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
    }
    computation, (atoms, *others) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        potentials = chemical_potentials(
            dict(zip(references, others, strict=True)),
            largest_force=largest_force,
            steps=steps,
        )
        result = vacancies.vacancies(
            atoms,
            supercells=sizes,
            elements=element or (),
            potentials=potentials,
            relaxed=relaxed,
            rattle=rattle,
            largest_force=largest_force,
            steps=steps,
            report=report,
        )
    command.conclude(
        vacancy_page,
        result,
        computation,
        {"vacancies.extxyz": partial(vacancy_page.write_structures, result)},
    )
