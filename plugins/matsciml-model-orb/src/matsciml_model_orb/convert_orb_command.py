"""``matsciml convert-orb``: a model of a file of Orb's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_core.errors import ConfigError


def convert_orb(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What orb-models fetches, such as orb-v3-….ckpt.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: FILE's stem.")
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(min=1, help="Neighbours of an atom; default: as the file's name has it."),
    ] = None,
    functional: Annotated[
        str, typer.Option(help="Level of theory of its training labels, to be recorded.")
    ] = "",
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Licence of the weights, likewise.")
    ] = "",
    trained_on: Annotated[str, typer.Option(help="What it was trained on, likewise.")] = "",
    seen: Annotated[
        list[str] | None,
        typer.Option(help="Dataset of whose crystals most were in training; repeat."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model in the folder.")
    ] = False,
) -> None:
    """Make a model of a file of Orb's weights, once, for predict, relax, md, run --init-from, ….

    The file holds tensors; nothing else in it is read, and orb-models is not needed. Conservative
    networks of Orb v3 for crystals will do. The forces of direct ones are no derivatives of an
    energy; those for molecules ask for charge and spin. Weights are published at
    https://github.com/orbital-materials/orb-models under the Apache License 2.0; look it up for
    the file that you take.
    """
    # Of this process alone: a command of a plugin that is no tool uses the core, not its caller.
    from matsciml_core.model.foreign import Provenance, folder_for
    from matsciml_core.registry.manager import build_registry
    from matsciml_model_orb.conversion import convert

    folder = folder_for(file, output, replace=replace)
    provenance = Provenance(
        name=folder.name,
        functional=functional,
        licence=licence,
        trained_on=trained_on,
        seen=tuple(seen or ()),
    )
    try:
        config = convert(file, folder, neighbours, provenance, build_registry(strict=False))
    except OSError as error:
        raise ConfigError(
            f"The model cannot be written to '{folder}' ({error.strerror}); name another --output."
        ) from error
    print(
        f"Orb of width {config.width} with {config.num_interactions} interactions, "
        f"{config.max_neighbours} neighbours within 6 Å."
    )
    print(f"Model: {folder}")
