"""``matsciml relax``: move a structure to the nearest minimum of a trained model's energy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import FAULT, NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.option_records import takes_options
from matsciml_cli.options import ModelFolder
from matsciml_cli.outputs import check_output
from matsciml_cli.state import registry_of
from matsciml_cli.structure_options import StructureOptions
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError
from matsciml_tool_simulate.commands.table import LiveTable

if TYPE_CHECKING:
    from matsciml_util_potential.relaxation import RelaxationStep

_SHOWN = 10
"""Steps between two lines of the table."""
_COLUMNS = {
    "step": (6, "d"),
    "energy (eV)": (14, ".6f"),
    "force (eV/Å)": (16, ".5f"),
    "volume (Å³)": (12, ".3f"),
    "pressure (GPa)": (14, ".3f"),
}


@takes_options
def relax(
    context: typer.Context,
    run: ModelFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File with one structure.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Relaxed structure; default: FILE-relaxed.extxyz."),
    ] = None,
    cell: Annotated[
        Literal["fixed", "volume", "full"],
        typer.Option(help="What of the cell changes; full: volume and shape."),
    ] = "fixed",
    optimiser: Annotated[
        Literal["fire", "lbfgs", "bfgs"],
        typer.Option("--optimiser", "--optimizer", help="ASE's optimiser."),
    ] = "fire",
    largest_force: Annotated[
        float, typer.Option("--fmax", min=1e-6, help="Largest force that is left, eV/Å.")
    ] = 0.02,
    steps: Annotated[int, typer.Option(min=1, help="Most steps.")] = 500,
    pressure: Annotated[float, typer.Option(help="Pressure on the cell, GPa.")] = 0.0,
    *,
    options: StructureOptions,
) -> None:
    """Relax a structure: move atoms, and the cell if asked for, until no force is left.

    The model must predict a total energy. Atoms that the file holds in place, or along some axes,
    stay; where the cell changes, they go with it and keep their fractional coordinates. The result
    is written in the format of the ending of --output (extxyz, cif, vasp, …). Exit code 1: not
    converged within --steps.
    """
    leave_room(os.environ)  # before torch is imported, which reads the number of threads
    from matsciml_core.convert import to_ase
    from matsciml_util_potential import relaxation
    from matsciml_util_potential.calculator import ModelCalculator
    from matsciml_util_potential.held import carry_marks, check_held

    relaxed = output or Path(f"{file.stem}-relaxed.extxyz")
    check_output(relaxed, replace=options.replace, inputs=[file])
    _check_pressure(pressure, cell)
    registry = registry_of(context)
    with telling_on_stop(NOTHING_WRITTEN):
        model = options.load_model(run, registry)
        crystal = options.read(file, registry)
        check_held(crystal)
        atoms = to_ase(crystal)
        atoms.calc = ModelCalculator(model, stress=cell != "fixed")
        table = LiveTable(_COLUMNS)

        def show(step: RelaxationStep) -> None:
            table.add(step.index, step.energy, step.largest_force, step.volume, step.pressure)

        result = relaxation.relax(
            atoms,
            optimiser=optimiser,
            cell=cell,
            largest_force=largest_force,
            steps=steps,
            pressure=pressure,
            on_step=lambda step: show(step) if step.index % _SHOWN == 0 else None,
        )
        if result.final.index % _SHOWN:  # the last step is shown in any case
            show(result.final)
        _write(carry_marks(atoms) if relaxed.suffix in (".extxyz", ".xyz") else atoms, relaxed)
    gain = (result.initial.energy - result.final.energy) / len(atoms)
    outcome = "Converged" if result.converged else "Not converged"
    write_line(f"{outcome} after {result.final.index} steps, {gain:z.6f} eV/atom below the start.")
    write_line(f"Structure: {relaxed}")
    if not result.converged:
        write_line("Take more --steps, another --optimiser, or a larger --fmax.")
        raise typer.Exit(FAULT)


def _check_pressure(pressure: float, cell: str) -> None:
    """Refuse a pressure that would act on nothing."""
    if pressure and cell == "fixed":
        raise ConfigError(
            f"'--pressure {pressure:g}' acts on the cell, which is fixed; add --cell volume or "
            "--cell full."
        )


def _write(atoms: Any, path: Path) -> None:
    """Write a structure in the format that its ending names."""
    from ase.io import write
    from ase.io.formats import UnknownFileTypeError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(str(path), atoms)
    except (OSError, UnknownFileTypeError) as error:
        raise ConfigError(
            f"The relaxed structure cannot be written to '{path}' ({error}); name another file "
            "with --output, such as relaxed.extxyz."
        ) from error
