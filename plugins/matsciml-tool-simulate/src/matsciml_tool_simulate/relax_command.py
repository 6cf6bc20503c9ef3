"""``matsciml relax``: move a structure to the nearest minimum of a trained model's energy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matsciml_cli.failures import FAULT
from matsciml_cli.options import Device, FileFormat, ModelFolder, Precision
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.convert import to_ase
from matsciml_core.errors import ConfigError
from matsciml_tool_simulate.calculator import ModelCalculator

if TYPE_CHECKING:
    from matsciml_tool_simulate.relaxation import Relaxation, RelaxationStep

_SHOWN = 10
"""Steps between two lines of the table."""
_ROW = "{:>6}  {:>14}  {:>16}  {:>12}  {:>14}"


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
    form: FileFormat = None,
    device: Device = "auto",
    precision: Precision = None,
) -> None:
    """Relax a structure: move atoms, and the cell if asked for, until no force is left.

    The model must predict a total energy. The result is written in the format of the ending of
    --output (extxyz, cif, vasp, …). Exit code 1: not converged within --steps.
    """
    leave_room(os.environ)
    from matsciml_core.model.inputs import read_one
    from matsciml_core.model.trained import load

    target = output or Path(f"{file.stem}-relaxed.extxyz")
    model = load(run, device=device, precision=precision, registry=registry_of(context))
    atoms = to_ase(read_one(file, form))
    atoms.calc = ModelCalculator(model, stress=cell != "fixed")
    from matsciml_tool_simulate import relaxation  # needs ASE, which was looked for above

    table = _Table()
    result = relaxation.relax(
        atoms,
        optimiser=optimiser,
        cell=cell,
        largest_force=largest_force,
        steps=steps,
        pressure=pressure,
        report=table.note,
    )
    table.end(result.last)
    _write(atoms, target)
    _summarise(result, target, len(atoms))


class _Table:
    """Prints some of the steps, and in any case the first and the last one."""

    def __init__(self) -> None:
        print(_ROW.format("step", "energy (eV)", "force (eV/Å)", "volume (Å³)", "pressure (GPa)"))
        self._shown: int | None = None

    def note(self, step: RelaxationStep) -> None:
        """Print a step, if its turn has come."""
        if step.number % _SHOWN == 0:
            _show(step)
            self._shown = step.number

    def end(self, last: RelaxationStep) -> None:
        """Print the last step, if it has not been printed."""
        if self._shown != last.number:
            _show(last)


def _show(step: RelaxationStep) -> None:
    pressure = "" if step.pressure != step.pressure else f"{step.pressure:.3f}"
    volume = "" if step.volume != step.volume else f"{step.volume:.3f}"
    force = f"{step.largest_force:.5f}"
    print(_ROW.format(step.number, f"{step.energy:.6f}", force, volume, pressure), flush=True)


def _write(atoms: Any, target: Path) -> None:
    from ase.io import write
    from ase.io.formats import UnknownFileTypeError

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(str(target), atoms)
    except (OSError, UnknownFileTypeError) as error:
        raise ConfigError(
            f"The relaxed structure cannot be written to '{target}' ({error}); name another file "
            "with --output, such as relaxed.extxyz."
        ) from error


def _summarise(result: Relaxation, target: Path, atoms: int) -> None:
    gained = (result.first.energy - result.last.energy) / atoms
    done = "Converged" if result.converged else "Not converged"
    print(f"{done} after {result.last.number} steps, {gained:.6f} eV/atom below the start.")
    print(f"Structure: {target}")
    if not result.converged:
        print("Take more --steps, another --optimiser, or a larger --fmax.")
        raise typer.Exit(FAULT)
