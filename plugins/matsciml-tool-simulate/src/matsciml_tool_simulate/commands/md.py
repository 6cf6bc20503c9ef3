"""``matsciml md``: molecular dynamics with a trained model."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matsciml_cli.console import warn, write_line
from matsciml_cli.failures import INTERRUPTED
from matsciml_cli.option_records import takes_options
from matsciml_cli.options import ModelFolder
from matsciml_cli.outputs import check_output
from matsciml_cli.state import registry_of
from matsciml_cli.structure_options import StructureOptions
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError
from matsciml_tool_simulate.commands.table import LiveTable

if TYPE_CHECKING:
    from matsciml_tool_simulate.dynamics import Dynamics, DynamicsStep

_LINES = 20
"""Lines of the table, about."""
_WITH_RESUME = ("run", "steps", "resume", "device", "precision")
"""Parameters that may be given when a trajectory is continued."""
_RENAMED = {"form": "--format", "format_settings": "--set"}
"""Options that are not called like their parameter."""
_COLUMNS = {
    "step": (9, "d"),
    "time (ps)": (9, ".4f"),
    "temperature (K)": (15, ".1f"),
    "potential (eV/atom)": (19, ".6f"),
    "total (eV/atom)": (15, ".6f"),
    "volume (Å³)": (12, ".2f"),
}


@takes_options
def md(
    context: typer.Context,
    run: ModelFolder,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="File with one structure.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Trajectory; default: FILE-md.extxyz."),
    ] = None,
    ensemble: Annotated[
        Literal["nve", "nvt", "npt"],
        typer.Option(help="Constant energy, temperature, or temperature and pressure."),
    ] = "nve",
    steps: Annotated[int, typer.Option(min=1, help="Steps to take.")] = 1000,
    timestep: Annotated[float, typer.Option(min=1e-3, help="Time step, fs.")] = 1.0,
    temperature: Annotated[
        float, typer.Option(min=1e-3, help="Of the first velocities and the thermostat, K.")
    ] = 300.0,
    pressure: Annotated[float, typer.Option(help="Pressure of npt, GPa.")] = 0.0,
    thermostat_time: Annotated[
        float, typer.Option(min=1e-3, help="Relaxation time of the velocities, fs.")
    ] = 100.0,
    barostat_time: Annotated[
        float, typer.Option(min=1e-3, help="Time scale of the volume, fs.")
    ] = 1000.0,
    every: Annotated[int, typer.Option(min=1, help="Steps between two frames.")] = 10,
    supercell: Annotated[
        str, typer.Option(help="Cells along each axis, such as 2 or 2,2,1.")
    ] = "1",
    seed: Annotated[int, typer.Option(min=0, help="Seed of velocities and thermostat.")] = 0,
    max_spread: Annotated[
        float | None,
        typer.Option(
            min=1e-9, help="Stop where the forces of an ensemble differ by more than this, eV/Å."
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Trajectory to continue, as it was begun.")
    ] = None,
    *,
    options: StructureOptions,
) -> None:
    """Let the atoms of a structure move, and write a trajectory (extended XYZ).

    The model, or each of an ensemble, must predict a total energy. Velocities are sampled at
    --temperature. Beside the trajectory lies a state from which matsciml md RUN --resume TRAJECTORY
    continues it as if it had never stopped. Masses and atoms that are held in place are those of
    the file. At the end stands how well the energy was conserved.
    """
    leave_room(os.environ)  # before torch is imported, which reads the number of threads
    settings = {
        "ensemble": ensemble,
        "temperature": temperature,
        "timestep": timestep,
        "thermostat_time": thermostat_time,
        "barostat_time": barostat_time,
        "pressure": pressure,
        "every": every,
        "seed": seed,
        "max_spread": max_spread,
    }
    _check_request(context, file, resume)
    if pressure and ensemble != "npt" and resume is None:
        raise ConfigError(
            f"'--pressure {pressure:g}' acts on the cell, which {ensemble} keeps; give --ensemble "
            "npt, or leave the pressure away."
        )
    from matsciml_core.convert import to_ase
    from matsciml_tool_simulate.dynamics import Dynamics, DynamicsConfig
    from matsciml_util_potential.calculator import ModelCalculator
    from matsciml_util_potential.held import check_held

    registry = registry_of(context)
    model = options.load_model(run, registry)
    if file is None:  # and therefore something to resume
        dynamics = Dynamics.resume(Path(str(resume)), model)
    else:
        path = output or Path(f"{file.stem}-md.extxyz")
        _check_trajectory(path, file, replace=options.replace)
        repeats = _repeats(supercell)
        crystal = options.read(file, registry)
        check_held(crystal)
        atoms = to_ase(crystal).repeat(repeats)
        atoms.calc = ModelCalculator(model, stress=ensemble == "npt")
        config = DynamicsConfig.from_options(settings, where="md")
        dynamics = Dynamics.start(atoms, config, path, model.identity)
    _run(dynamics, steps, run)
    drift = dynamics.drift
    # A thermostat exchanges energy, and one point has no line.
    if dynamics.config.ensemble == "nve" and not math.isnan(drift.slope):
        write_line(
            f"Energy: drift {drift.slope:+.2e} eV/atom/ps, fluctuation {drift.fluctuation:.2e} "
            f"eV/atom, never more than {drift.largest:.2e} eV/atom from the start."
        )
    if dynamics.is_uncertain:
        warn(
            f"Stopped at step {dynamics.step}: the models differ by {dynamics.spread:.3g} eV/Å in "
            f"the force on an atom, more than --max-spread {dynamics.config.max_spread:g}. The "
            "last frame is the structure to compute and to train on."
        )
    write_line(f"Trajectory: {dynamics.path}")


def _check_request(context: typer.Context, file: Path | None, resume: Path | None) -> None:
    """Reject options that contradict each other, before anything is loaded."""
    if (file is None) == (resume is None):
        raise ConfigError("Name a FILE to start from, or a trajectory to --resume, one of them.")
    if resume is None:
        return
    for name in context.params:
        # Compared by name, because typer brings its own copy of click.
        source = getattr(context.get_parameter_source(name), "name", "")
        if source == "COMMANDLINE" and name not in _WITH_RESUME:
            option = _RENAMED.get(name, f"--{name.replace('_', '-')}")
            raise ConfigError(f"A trajectory is continued as it was begun; leave {option} away.")


def _check_trajectory(path: Path, file: Path, *, replace: bool) -> None:
    if path.suffix.lower() not in (".extxyz", ".xyz"):
        raise ConfigError(f"A trajectory is extended XYZ; end '{path}' in .extxyz.")
    if path.exists() and not replace:
        raise ConfigError(
            f"'{path}' exists; continue it with --resume {path}, give --replace, or name another "
            "--output."
        )
    check_output(path, replace=replace, inputs=[file])


def _repeats(supercell: str) -> list[int]:
    """Return how often a cell is repeated along each axis, as ``2`` or ``2,2,1`` says."""
    texts = supercell.replace("x", ",").split(",")
    repeats = [int(text) for text in texts if text.strip().isdigit()]
    if len(repeats) != len(texts) or len(repeats) not in (1, 3) or min(repeats) < 1:
        raise ConfigError(
            f"'--supercell {supercell}' is not understood; give one number or three, such as 2 or "
            "2,2,1."
        )
    return repeats * 3 if len(repeats) == 1 else repeats


def _run(dynamics: Dynamics, steps: int, run: Path) -> None:
    """Take the steps, and print about ``_LINES`` of the frames."""
    interval = dynamics.config.every * max(1, steps // dynamics.config.every // _LINES)
    start = dynamics.step - dynamics.step % dynamics.config.every
    table = LiveTable(_COLUMNS)

    def show(step: DynamicsStep) -> None:
        if (step.index - start) % interval == 0:
            table.add(
                step.index, step.time, step.temperature, step.potential, step.total, step.volume
            )

    try:
        dynamics.run(steps, show)
    except KeyboardInterrupt as stop:
        write_line(f"Interrupted. Continue with:\n  matsciml md {run} --resume {dynamics.path}")
        raise typer.Exit(INTERRUPTED) from stop
