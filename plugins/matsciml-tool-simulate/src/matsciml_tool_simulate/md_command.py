"""``matsciml md``: molecular dynamics with a trained model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matsciml_cli.failures import INTERRUPTED
from matsciml_cli.options import Device, FileFormat, ModelFolder, Precision
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.convert import to_ase
from matsciml_core.errors import ConfigError
from matsciml_tool_simulate.calculator import ModelCalculator

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel
    from matsciml_tool_simulate.dynamics import Dynamics, Frame

_LINES = 20
"""Lines of the table, about."""
_ANEW = ("run", "steps", "resume", "device", "precision")
"""Parameters that may be given when a trajectory is continued."""
_ROW = "{:>9}  {:>9}  {:>15}  {:>19}  {:>15}  {:>12}"


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
        float, typer.Option(min=1e-3, help="Time in which velocities forget, fs.")
    ] = 100.0,
    barostat_time: Annotated[
        float, typer.Option(min=1e-3, help="Time scale of the volume, fs.")
    ] = 1000.0,
    every: Annotated[int, typer.Option(min=1, help="Steps between two frames.")] = 10,
    supercell: Annotated[
        str, typer.Option(help="Cells along each axis, such as 2 or 2,2,1.")
    ] = "1",
    seed: Annotated[int, typer.Option(min=0, help="Seed of velocities and thermostat.")] = 0,
    resume: Annotated[
        Path | None, typer.Option(help="Trajectory to continue, as it was begun.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a trajectory of that name.")
    ] = False,
    form: FileFormat = None,
    device: Device = "auto",
    precision: Precision = None,
) -> None:
    """Let the atoms of a structure move, and write a trajectory (extended XYZ).

    The model must predict a total energy. Velocities are drawn at --temperature. Beside the
    trajectory lies a state from which matsciml md RUN --resume TRAJECTORY continues it as if it
    had never stopped. At the end stands how well the energy was conserved.
    """
    leave_room(os.environ)
    settings = {
        "ensemble": ensemble,
        "temperature": temperature,
        "timestep": timestep,
        "thermostat_time": thermostat_time,
        "barostat_time": barostat_time,
        "pressure": pressure,
        "every": every,
        "seed": seed,
    }
    _check_request(context, file, resume)
    from matsciml_core.model.trained import load

    model = load(run, device=device, precision=precision, registry=registry_of(context))
    if resume is not None:
        dynamics = _resume(model, resume)
    else:
        path = output or Path(f"{Path(str(file)).stem}-md.extxyz")
        dynamics = _start(model, Path(str(file)), path, settings, form, supercell, replace=replace)
    _run(dynamics, steps, run)


def _check_request(context: typer.Context, file: Path | None, resume: Path | None) -> None:
    """Refuse what contradicts itself, before anything is loaded."""
    if (file is None) == (resume is None):
        raise ConfigError("Name a FILE to start from, or a trajectory to --resume, one of them.")
    if resume is None:
        return
    given = [
        name
        for name in context.params
        if name not in _ANEW
        and getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if given:
        option = "--format" if given[0] == "form" else f"--{given[0].replace('_', '-')}"
        raise ConfigError(f"A trajectory is continued as it was begun; leave {option} away.")


def _start(
    model: TrainedModel,
    file: Path,
    path: Path,
    settings: dict[str, Any],
    form: str | None,
    supercell: str,
    *,
    replace: bool,
) -> Dynamics:
    from matsciml_core.model.inputs import read_one

    if path.suffix.lower() not in (".extxyz", ".xyz"):
        raise ConfigError(f"A trajectory is extended XYZ; end '{path}' in .extxyz.")
    if path.exists() and not replace:
        raise ConfigError(
            f"'{path}' exists; continue it with --resume {path}, give --replace, or name another "
            "--output."
        )
    atoms = to_ase(read_one(file, form)).repeat(_cells(supercell))
    atoms.calc = ModelCalculator(model, stress=settings["ensemble"] == "npt")
    # Imports ASE, which is now known to be there.
    from matsciml_tool_simulate.dynamics import Dynamics, DynamicsConfig

    config = DynamicsConfig.from_options(settings, where="md")
    return Dynamics.start(atoms, config, path, model.identity)


def _resume(model: TrainedModel, path: Path) -> Dynamics:
    ModelCalculator(model)  # says what to install where ASE is missing
    from matsciml_tool_simulate.dynamics import Dynamics

    return Dynamics.resume(path, model)


def _cells(text: str) -> tuple[int, ...]:
    """Return how often the cell is repeated along each axis."""
    parts = text.replace("x", ",").split(",")
    numbers = [int(part) for part in parts if part.strip().isdigit()]
    if len(numbers) != len(parts) or len(numbers) not in (1, 3) or min(numbers) < 1:
        raise ConfigError(
            f"'--supercell {text}' is not understood; give one number or three, such as 2 or 2,2,1."
        )
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)


def _run(dynamics: Dynamics, steps: int, run: Path) -> None:
    frames = max(1, steps // dynamics.config.every)
    shown = max(1, frames // _LINES)
    print(
        _ROW.format(
            "step",
            "time (ps)",
            "temperature (K)",
            "potential (eV/atom)",
            "total (eV/atom)",
            "volume (Å³)",
        )
    )
    count = 0

    def show(frame: Frame) -> None:
        nonlocal count
        count += 1
        if count % shown == 0:
            _show(frame)

    try:
        dynamics.run(steps, show)
    except KeyboardInterrupt as stop:
        print(f"Interrupted. Continue with:\n  matsciml md {run} --resume {dynamics.path}")
        raise typer.Exit(INTERRUPTED) from stop
    _summarise(dynamics)


def _show(frame: Frame) -> None:
    volume = "" if frame.volume != frame.volume else f"{frame.volume:.2f}"
    cells = (
        f"{frame.time:.4f}",
        f"{frame.temperature:.1f}",
        f"{frame.potential:.6f}",
        f"{frame.total:.6f}",
        volume,
    )
    print(_ROW.format(frame.step, *cells), flush=True)


def _summarise(dynamics: Dynamics) -> None:
    drift = dynamics.drift
    if dynamics.config.ensemble == "nve":
        print(
            f"Energy: drift {drift.slope:+.2e} eV/atom/ps, fluctuation {drift.fluctuation:.2e} "
            f"eV/atom, never more than {drift.largest:.2e} eV/atom from the start."
        )
    print(f"Trajectory: {dynamics.path}")
