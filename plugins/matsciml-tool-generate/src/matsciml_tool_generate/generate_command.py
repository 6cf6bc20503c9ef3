"""``matsciml generate``: draw crystals from a trained model."""

from __future__ import annotations

import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, write_heading, write_table
from matsciml_cli.failures import INTERRUPTED
from matsciml_cli.options import (
    Device,
    GeneratorFolder,
    LangevinSteps,
    LangevinStepSize,
    Levels,
    Seed,
)
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError

if TYPE_CHECKING:
    from matsciml_core.interfaces.generation import SamplingConfig
    from matsciml_core.registry.manager import Registry
    from matsciml_tool_generate.sampling import GenerationResult, GenerationSettings


def generate(
    context: typer.Context,
    run: GeneratorFolder,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Crystals to draw.")] = 100,
    output: Annotated[Path, typer.Option("--output", "-o", help="Extended XYZ file.")] = Path(
        "generated.extxyz"
    ),
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals drawn together.")] = 64,
    seed: Seed = 0,
    levels: Levels = None,
    steps: LangevinSteps = 100,
    step_size: LangevinStepSize = 1e-4,
    guide: Annotated[
        list[str] | None,
        typer.Option(help="Wanted property as NAME=VALUE in its unit; repeat for several."),
    ] = None,
    guide_steps: Annotated[
        int, typer.Option(min=1, help="Steps in the latent space towards it.")
    ] = 5000,
    guide_rate: Annotated[float, typer.Option(help="Size of such a step.")] = 1e-3,
    device: Device = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away an unfinished drawing.")
    ] = False,
) -> None:
    """Draw crystals from a trained model, and write them as extended XYZ.

    For example: matsciml generate runs/latest --number 100 --guide
    formation_energy_per_atom=-2. Stopped by Ctrl-C or killed, it goes on where it was when it
    is called again.
    """
    leave_room(os.environ)
    wanted = _wanted(guide or [])
    from matsciml_core.interfaces.generation import GuidanceConfig
    from matsciml_tool_generate.sampling import GenerationSettings

    settings = GenerationSettings(
        number=number,
        batch_size=batch_size,
        seed=seed,
        sampling=sampling_of(levels, steps, step_size),
        guidance=GuidanceConfig.from_options(
            {"steps": guide_steps, "learning_rate": guide_rate}, where="guide"
        ),
        targets=wanted,
    )
    try:
        drawn = _draw(registry_of(context), run, settings, output, device, restart=restart)
    except KeyboardInterrupt as stop:
        print(
            f"\nInterrupted. What is drawn is kept; go on with:\n  {shlex.join(_again())}",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED) from stop
    _show(drawn, number)


def sampling_of(levels: int | None, steps: int, step_size: float) -> SamplingConfig:
    """Return the settings of the sampler.

    Raises:
        ConfigError: One of them makes no sense.
    """
    from matsciml_core.interfaces.generation import SamplingConfig

    return SamplingConfig.from_options(
        {"levels": levels, "steps_per_level": steps, "step_size": step_size}, where="sampling"
    )


def _draw(
    registry: Registry,
    run: Path,
    settings: GenerationSettings,
    output: Path,
    device: str,
    *,
    restart: bool,
) -> GenerationResult:
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.model.trained import load
    from matsciml_tool_generate.sampling import generate_crystals

    model = load(run, device=device, registry=registry)
    with progress_bars() as report:
        return generate_crystals(model, settings, output, restart=restart, report=report)


def _wanted(pairs: list[str]) -> dict[str, float]:
    found = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        value = _number(text)
        if separator and value is not None:
            found[name.strip()] = value
        else:
            raise ConfigError(
                f"'--guide {pair}' is not NAME=VALUE, for example "
                "--guide formation_energy_per_atom=-2."
            )
    return found


def _number(text: str) -> float | None:
    """Return a finite number; None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _again() -> list[str]:
    return ["matsciml", *(one for one in sys.argv[1:] if one != "--restart")]


def _show(drawn: GenerationResult, number: int) -> None:
    write_heading(f"{drawn.written:,} of {number:,} crystals: {drawn.path}")
    if drawn.rejected:
        rows = [Row((f"{count:,}", f"given up: {why}")) for why, count in drawn.rejected.items()]
        write_table(rows, indent=2)
    if not drawn.written:
        print("No crystal came of it; train for longer, or ask for more with --number.")
        return
    print(f"Judge them: matsciml evaluate-crystals {shlex.quote(str(drawn.path))} --reference …")
