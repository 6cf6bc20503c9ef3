"""``matsciml convert-orb``: a model of a file of Orb's weights."""

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
def convert_orb(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What orb-models fetches, such as orb-v3-….ckpt.")
    ],
    neighbours: Annotated[
        int | None,
        typer.Option(min=1, help="Neighbours of an atom; default: as the file's name has it."),
    ] = None,
    *,
    options: WeightsOptions,
) -> None:
    """Make a model of a file of Orb's weights, once, for predict, relax, md, run --init-from, ….

    The file holds tensors; nothing else in it is read, and orb-models is not needed. Conservative
    networks of Orb v3 for crystals will do. The forces of direct ones are no derivatives of an
    energy; those for molecules ask for charge and spin. Weights are published at
    https://github.com/orbital-materials/orb-models under the Apache License 2.0; look it up for
    the file that you take.
    """
    from matsciml_model_orb.conversion import convert

    def write_model(folder: Path, provenance: Provenance) -> str:
        config = convert(file, folder, neighbours, provenance, registry_of(context))
        return (
            f"Orb of width {config.width} with {config.num_interactions} interactions, "
            f"{config.max_neighbours} neighbours within 6 Å."
        )

    options.convert(file, write_model)
