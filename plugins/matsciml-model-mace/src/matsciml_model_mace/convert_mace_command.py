"""``matsciml convert-mace``: a model of a file of MACE's weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.option_records import takes_options
from matsciml_cli.state import registry_of
from matsciml_cli.weights_options import WeightsOptions

if TYPE_CHECKING:
    from matsciml_core.model.foreign import Provenance


@takes_options
def convert_mace(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What mace-torch wrote, such as small.model.")
    ],
    head: Annotated[
        str | None, typer.Option(help="Which read-out, where the file has several.")
    ] = None,
    *,
    options: WeightsOptions,
) -> None:
    """Make a model of a file of MACE's weights, once, for predict, relax, md, run --init-from, ….

    The file is a pickle; nothing in it is run, and mace-torch is not needed to convert it. It is
    needed to use the model: matsciml env create mace 'matsciml-model-mace[mace]' gives it an
    environment, which commands then find by themselves. Weights are published at
    https://github.com/ACEsuit/mace-foundations, of which MACE-MP-0 and MACE-MPA-0 are under the MIT
    licence, and MACE-OFF, MACE-OMAT-0 and others under the Academic Software License, which
    excludes commercial use; look it up for the file that you take.
    """
    from matsciml_model_mace.conversion import convert

    def write_model(folder: Path, provenance: Provenance) -> str:
        config = convert(file, folder, head, provenance, registry_of(context))
        return (
            f"MACE with {config.num_interactions} interactions within {config.cutoff:g} Å, "
            f"{len(config.elements)} elements."
        )

    options.convert(file, write_model)
