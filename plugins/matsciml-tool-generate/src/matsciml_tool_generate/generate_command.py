"""``matsciml generate``: sample crystals from a trained model."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, warn, write_heading, write_line, write_table
from matsciml_cli.failures import INTERRUPTED
from matsciml_cli.options import Device, Seed
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError
from matsciml_tool_generate.sampling_options import (
    GeneratorFolder,
    LangevinStepSize,
    Levels,
    Sampler,
    Steps,
    sampling_config,
)

if TYPE_CHECKING:
    from matsciml_tool_generate.sampling import GenerationResult


def generate(
    context: typer.Context,
    run: GeneratorFolder,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="Crystals to generate.")
    ] = 100,
    output: Annotated[Path, typer.Option("--output", "-o", help="Extended XYZ file.")] = Path(
        "generated.extxyz"
    ),
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals sampled together.")] = 64,
    seed: Seed = 0,
    sampler: Sampler = "langevin",
    levels: Levels = None,
    steps: Steps = None,
    step_size: LangevinStepSize = 1e-4,
    guide: Annotated[
        list[str] | None,
        typer.Option(help="Target property as NAME=VALUE in its unit; repeat for several."),
    ] = None,
    guide_steps: Annotated[
        int, typer.Option(min=1, help="Optimisation steps in the latent space towards it.")
    ] = 5000,
    guide_rate: Annotated[float, typer.Option(help="Learning rate of these steps.")] = 1e-3,
    device: Device = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away an unfinished generation.")
    ] = False,
    replace: Replace = False,
) -> None:
    """Sample crystals from a trained model, and write them as extended XYZ.

    For example: matsciml generate runs/latest --number 100 --guide
    formation_energy_per_atom=-2. Stopped by Ctrl-C or killed, it resumes where it was when it
    is called again.
    """
    leave_room(os.environ)  # before torch is imported
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.interfaces.generation import GuidanceConfig
    from matsciml_core.model.trained import load
    from matsciml_tool_generate.sampling import GenerationSettings, generate_crystals

    if not output.is_dir():  # which is refused below, whatever is asked for
        check_output(output, replace=replace)
    settings = GenerationSettings(
        number=number,
        batch_size=batch_size,
        seed=seed,
        sampling=sampling_config(sampler, levels, steps, step_size),
        guidance=GuidanceConfig.from_options(
            {"steps": guide_steps, "learning_rate": guide_rate}, where="guide"
        ),
        targets=_targets(guide or ()),
    )
    try:
        model = load(run, device=device, registry=registry_of(context))
        with progress_bars() as report:
            result = generate_crystals(model, settings, output, restart=restart, report=report)
    except KeyboardInterrupt as stop:
        # With --restart, the next call would throw away what this one has sampled.
        again = ["matsciml", *(word for word in sys.argv[1:] if word != "--restart")]
        warn(f"\nInterrupted. Finished batches are saved; resume with:\n  {shlex.join(again)}")
        raise typer.Exit(INTERRUPTED) from stop
    _write_result(result, number)


def _targets(pairs: Sequence[str]) -> dict[str, float]:
    """Return the targets of guidance: label → finite value."""
    targets = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(
                f"'--guide {pair}' is not NAME=VALUE, for example "
                "--guide formation_energy_per_atom=-2."
            )
        targets[name.strip()] = value
    return targets


def _write_result(result: GenerationResult, number: int) -> None:
    write_heading(f"{result.written:,} of {number:,} crystals: {result.path}")
    if result.rejected:
        rows = [Row((f"{n:,}", f"rejected: {why}")) for why, n in result.rejected.items()]
        write_table(rows, indent=2)
    if not result.written:  # evaluate-crystals would find nothing in the file
        write_line("No crystal came of it; train for longer, or ask for more with --number.")
        return
    path = shlex.quote(str(result.path))
    write_line(f"Evaluate them: matsciml evaluate-crystals {path} --reference …")
