"""``matsciml surface``: energies of surfaces."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.options import ModelFolder
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
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
def surface(
    context: typer.Context,
    run: ModelFolder,
    file: CrystalFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of results; default: FILE-surface."),
    ] = None,
    miller: Annotated[
        list[str] | None,
        typer.Option(help="Miller indices, such as 1,1,-1; repeat. Default: up to --max-index."),
    ] = None,
    max_index: Annotated[
        int, typer.Option(min=1, max=4, help="Largest index, where no --miller is given.")
    ] = 1,
    thickness: Annotated[
        list[float] | None,
        typer.Option(help="Least thickness, Å; repeat to compare. Default: 8, 12 and 16."),
    ] = None,
    vacuum: Annotated[float, typer.Option(help="Height of the cell above the slab, Å.")] = 15.0,
    relaxed: RelaxedFirst = "full",
    largest_force: LargestForce = 0.01,
    steps: Steps = 500,
    *,
    options: ComputationOptions,
) -> None:
    """Compute surface energies of a crystal, against the thickness of the slab.

    Miller indices are those of the conventional cell; all terminations that keep the composition
    are cut by pymatgen. Atoms relax, and the lattice vectors stay. Results are surface.json,
    surface.csv, surface.html, and the thickest slabs as slabs.extxyz.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import surface_page, surfaces

    command = PropertyCommand(
        name="surface",
        options=options,
        folder=output or Path(f"{file.stem}-surface"),
        inputs=[file],
        others=["slabs.extxyz"],
    )
    command.check()
    directions = [_miller(text) for text in miller or []]
    lengths = thickness or list(surfaces.THICKNESSES)
    settings = {
        "miller": miller,
        "max_index": None if miller else max_index,
        "thicknesses_A": lengths,
        "vacuum_A": vacuum,
        "relax": relaxed,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
    }
    computation, (atoms,) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        result = surfaces.surfaces(
            atoms,
            millers=directions or None,
            max_index=max_index,
            thicknesses=lengths,
            vacuum=vacuum,
            relaxed=relaxed,
            largest_force=largest_force,
            steps=steps,
            report=report,
        )
    command.conclude(
        surface_page,
        result,
        computation,
        {"slabs.extxyz": partial(surface_page.write_structures, result)},
    )


def _miller(text: str) -> tuple[int, int, int]:
    """Read three Miller indices, or four of a hexagonal lattice (h, k, −h − k, l)."""
    try:
        indices = [int(part) for part in (text if text.isdecimal() else text.split(","))]
    except ValueError:
        indices = []
    if len(indices) == 4 and indices[0] + indices[1] + indices[2] == 0:
        del indices[2]
    if len(indices) != 3:
        raise ConfigError(
            f"'--miller {text}' is not understood; write three whole numbers, such as 1,1,-1, or "
            "four whose first three add up to zero, such as 1,0,-1,0."
        )
    first, second, third = indices
    return first, second, third
