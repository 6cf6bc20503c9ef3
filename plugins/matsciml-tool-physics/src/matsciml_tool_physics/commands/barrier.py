"""``matsciml barrier``: the barrier between two structures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.failures import FAULT
from matsciml_cli.options import ModelFolder
from matsciml_cli.state import registry_of
from matsciml_tool_physics.commands.property_command import (
    ComputationOptions,
    LargestForce,
    PropertyCommand,
    Steps,
    property_command,
)


@property_command
def barrier(
    context: typer.Context,
    run: ModelFolder,
    initial: Annotated[Path, typer.Argument(metavar="A", help="File with one structure.")],
    final: Annotated[Path, typer.Argument(metavar="B", help="File with another of its cell.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of results; default: A-B-barrier."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Images between A and B.")] = 5,
    keep_order: Annotated[
        bool, typer.Option("--keep-order", help="Equal rows belong together; match no atoms.")
    ] = False,
    keep_ends: Annotated[
        bool, typer.Option("--keep-ends", help="Do not relax A and B before.")
    ] = False,
    largest_force: LargestForce = 0.05,
    steps: Steps = 500,
    *,
    options: ComputationOptions,
) -> None:
    """Find the barrier between two structures by a nudged elastic band with a climbing image.

    Both structures are relaxed in their cell; atoms of B are matched to the nearest ones of A,
    across the faces of the cell. Atoms that A holds in place stay. Results are barrier.json,
    barrier.csv, barrier.html, and the images as path.extxyz in the order of A. Exit code 1: not
    converged within --steps.
    """
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_physics import barrier_page, transition

    command = PropertyCommand(
        name="barrier",
        options=options,
        folder=output or Path(f"{initial.stem}-{final.stem}-barrier"),
        inputs=[initial, final],
        others=["path.extxyz"],
    )
    command.check()
    settings = {
        "images": images,
        "keep_order": keep_order,
        "keep_ends": keep_ends,
        "fmax_eV_per_A": largest_force,
        "steps": steps,
    }
    computation, (first, second) = command.open(run, registry_of(context), settings)
    with progress_bars() as report:
        result = transition.barrier(
            first,
            second,
            images=images,
            match=not keep_order,
            relax_ends=not keep_ends,
            largest_force=largest_force,
            steps=steps,
            report=report,
        )
    command.conclude(
        barrier_page, result, computation, {"path.extxyz": partial(barrier_page.write_path, result)}
    )
    if not result.converged:
        raise typer.Exit(FAULT)
