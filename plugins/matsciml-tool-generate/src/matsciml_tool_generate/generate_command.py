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
    CrystalFormula,
    GeneratorFolder,
    LangevinStepSize,
    Levels,
    PrescribedSpaceGroup,
    RelaxForce,
    RelaxModel,
    RelaxSteps,
    Sampler,
    Steps,
    sampling_config,
)

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_tool_generate.sampling import GenerationResult, GenerationSettings

_GUIDE_STEPS, _GUIDE_RATE = 5000, 1e-3
_RELAX_STEPS, _RELAX_FMAX = 200, 0.05
_MOST_COMPARED = 200
"""Crystals up to which all pairs are compared, which takes less than a minute."""


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
    composition: CrystalFormula = None,
    space_group: PrescribedSpaceGroup = None,
    guide: Annotated[
        list[str] | None,
        typer.Option(help="Target property as NAME=VALUE in its unit; repeat for several."),
    ] = None,
    guide_steps: Annotated[
        int, typer.Option(min=1, help="Optimisation steps in the latent space towards it.")
    ] = _GUIDE_STEPS,
    guide_rate: Annotated[float, typer.Option(help="Learning rate of these steps.")] = _GUIDE_RATE,
    relax: RelaxModel = None,
    relax_steps: RelaxSteps = _RELAX_STEPS,
    relax_fmax: RelaxForce = _RELAX_FMAX,
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
    from matsciml_tool_generate.prescribed import parse_formula
    from matsciml_tool_generate.relaxing import CrystalRelaxer
    from matsciml_tool_generate.sampling import GenerationSettings, generate_crystals, relaxed_path

    if output.suffix.lower() not in (".extxyz", ".xyz") and not output.is_dir():
        raise ConfigError(f"Crystals are written as extended XYZ; end '{output}' in .extxyz.")
    if relax is None and (relax_steps, relax_fmax) != (_RELAX_STEPS, _RELAX_FMAX):
        raise ConfigError("--relax-steps and --relax-fmax are of --relax; name a model with it.")
    if not guide and (guide_steps, guide_rate) != (_GUIDE_STEPS, _GUIDE_RATE):
        raise ConfigError("--guide-steps and --guide-rate are of --guide; name a target with it.")
    if not output.is_dir():  # which is refused below, whatever is asked for
        check_output(output, replace=replace)
        if relax is not None:
            check_output(relaxed_path(output), replace=replace)
    settings = GenerationSettings(
        number=number,
        batch_size=batch_size,
        seed=seed,
        sampling=sampling_config(sampler, levels, steps, step_size, space_group),
        guidance=GuidanceConfig.from_options(
            {"steps": guide_steps, "learning_rate": guide_rate}, where="guide"
        ),
        targets=_targets(guide or ()),
        formula=None if composition is None else parse_formula(composition),
    )
    try:
        model = load(run, device=device, registry=registry_of(context))
        relaxer = None
        if relax is not None:
            potential = load(relax, device=device, registry=registry_of(context))
            relaxer = CrystalRelaxer(potential, steps=relax_steps, largest_force=relax_fmax)
        with progress_bars() as report:
            result = generate_crystals(
                model, settings, output, relaxer=relaxer, restart=restart, report=report
            )
    except KeyboardInterrupt as stop:
        # With --restart, the next call would throw away what this one has sampled.
        again = ["matsciml", *(word for word in sys.argv[1:] if word != "--restart")]
        warn(f"\nInterrupted. Finished batches are saved; resume with:\n  {shlex.join(again)}")
        raise typer.Exit(INTERRUPTED) from stop
    _write_result(result, settings)
    if result.written and (composition is not None or space_group is not None):
        _write_duplicates(result.path, registry_of(context))


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


def _write_result(result: GenerationResult, settings: GenerationSettings) -> None:
    write_heading(f"{result.written:,} of {settings.number:,} crystals: {result.path}")
    rows = [Row((f"{n:,}", f"rejected: {why}")) for why, n in result.rejected.items()]
    rows += _symmetry_rows(result, settings.sampling.space_group)
    if rows:
        write_table(rows, indent=2)
    if not result.written:  # evaluate-crystals would find nothing in the file
        write_line("No crystal came of it; train for longer, or ask for more with --number.")
        return
    path = result.path
    if (relaxed := result.relaxation) is not None:
        write_line(
            f"Relaxed: {relaxed.converged:,} of {result.written:,} converged, "
            f"{relaxed.written - relaxed.converged:,} not, {relaxed.failed:,} failed"
            + (f"; median RMSD {relaxed.median_rmsd:.3g} Å" if relaxed.written else "")
            + f": {relaxed.path}"
        )
        path = relaxed.path
    write_line(f"Evaluate them: matsciml evaluate-crystals {shlex.quote(str(path))} --reference …")


def _symmetry_rows(result: GenerationResult, prescribed: int | None) -> list[Row]:
    """Return how many crystals have the space group that was asked for, and which others have."""
    from matsciml_core.data.symmetry.orbits import space_group_symbol

    rows = []
    for number, count in sorted(result.space_groups.items(), key=lambda item: -item[1]):
        name = f"{number} ({space_group_symbol(int(number))})" if int(number) else "not found"
        asked = "" if int(number) == prescribed else f", and not {prescribed}"
        rows.append(Row((f"{count:,}", f"space group {name}{asked}")))
    return rows


def _write_duplicates(path: Path, registry: Registry) -> None:
    """Say how many of the crystals in a file are the same as an earlier one."""
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_generate.reference import read_file
    from matsciml_tool_generate.uniqueness import find_duplicates

    structures = read_file(path, registry)
    if len(structures) > _MOST_COMPARED:
        write_line(
            f"Duplicates of more than {_MOST_COMPARED} crystals are counted by evaluate-crystals."
        )
        return
    crystals = [structure.crystal for structure in structures if structure.crystal is not None]
    with progress_bars() as report:
        found = find_duplicates(crystals, report=report).representative
    write_line(
        f"Duplicates of earlier ones, by StructureMatcher: {len(found) - len(set(found)):,}."
    )
