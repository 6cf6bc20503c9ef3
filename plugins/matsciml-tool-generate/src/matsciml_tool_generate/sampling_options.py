"""Options that the commands which sample have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from matsciml_core.interfaces.generation import SamplingConfig

GeneratorFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run that learnt to generate crystals.")
]
Levels = Annotated[
    int | None, typer.Option(min=1, help="Noise levels; default: as many as were trained.")
]
LangevinSteps = Annotated[int, typer.Option(min=1, help="Langevin steps at each noise level.")]
LangevinStepSize = Annotated[
    float, typer.Option(help="Size of a step at the smallest noise level, Å².")
]


def sampling_config(levels: int | None, steps: int, step_size: float) -> SamplingConfig:
    """Return the settings of the sampler.

    Raises:
        ConfigError: One of them makes no sense.
    """
    from matsciml_core.interfaces.generation import SamplingConfig  # noqa: PLC0415 - imports torch

    return SamplingConfig.from_options(
        {"levels": levels, "steps_per_level": steps, "step_size": step_size}, where="sampling"
    )
