"""``matsciml convert-mattersim``: a model of a file of MatterSim's weights."""

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
def convert_mattersim(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What MatterSim saves, such as mattersim-v1.….pth."),
    ],
    *,
    options: WeightsOptions,
) -> None:
    """Make a model of a file of MatterSim's weights, once, for predict, relax, md, ….

    The file may be published or fine-tuned by mattersim, which is not needed here. Nothing in it is
    run. Weights are published at https://github.com/microsoft/mattersim under the MIT licence; look
    it up for the file that you take.
    """
    from matsciml_model_mattersim.conversion import convert

    def write_model(folder: Path, provenance: Provenance) -> str:
        config = convert(file, folder, provenance, registry_of(context))
        return (
            f"M3GNet of width {config.width} with {config.num_blocks} interactions, neighbours "
            f"within {config.cutoff:g} Å and angles within {config.three_body_cutoff:g} Å."
        )

    options.convert(file, write_model)
