"""Options that the commands which sample have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_core.errors import SettingError

if TYPE_CHECKING:
    from matsciml_core.interfaces.generation import SamplingConfig

GeneratorFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run that learnt to generate crystals.")
]
Sampler = Annotated[
    str,
    typer.Option(help="langevin, annealed Langevin dynamics as published; or ancestral, faster."),
]
Levels = Annotated[
    int | None, typer.Option(min=1, help="Noise levels; default: as many as the sampler needs.")
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Steps at each level; default: as many as the sampler needs."),
]
LangevinStepSize = Annotated[
    float, typer.Option(help="Size of a Langevin step at the smallest noise level, Å².")
]
CrystalFormula = Annotated[
    str | None,
    typer.Option(
        "--composition",
        metavar="FORMULA",
        help="Formula of every crystal, such as NaCl; cells of several units are tried, too.",
    ),
]
PrescribedSpaceGroup = Annotated[
    int | None,
    typer.Option(
        "--space-group",
        metavar="NUMBER",
        min=1,
        max=230,
        help="Sample within this space group, by its number; Fm-3m is 225.",
    ),
]
RelaxModel = Annotated[
    Path | None,
    typer.Option(
        "--relax",
        metavar="MODEL",
        help="Relax the crystals by this run or pretrained model of energies.",
    ),
]
RelaxSteps = Annotated[int, typer.Option(min=1, help="Most steps of a relaxation.")]
RelaxForce = Annotated[
    float,
    typer.Option("--relax-fmax", min=1e-6, help="Largest force that a relaxation leaves, eV/Å."),
]


def sampling_config(
    sampler: str,
    levels: int | None,
    steps: int | None,
    step_size: float,
    space_group: int | None = None,
) -> SamplingConfig:
    """Return the settings of the sampler.

    Raises:
        ConfigError: One of them makes no sense.
    """
    from matsciml_core.interfaces.generation import SamplingConfig  # noqa: PLC0415 - imports torch

    options = {
        "sampler": sampler,
        "levels": levels,
        "steps_per_level": steps,
        "step_size": step_size,
        "space_group": space_group,
    }
    try:
        return SamplingConfig.from_options(options, where="sampling")
    except SettingError as error:
        name = error.key.rpartition(".")[2].removesuffix("_per_level").replace("_", "-")
        raise error.named(f"--{name}") from error
