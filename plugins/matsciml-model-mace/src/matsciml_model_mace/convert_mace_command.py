"""``matsciml convert-mace``: a model of a file of MACE's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_core.errors import ConfigError


def convert_mace(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What mace-torch wrote, such as small.model.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: FILE's stem.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Which read-out, where the file has several.")
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
    """Make a model of a file of MACE's weights, once, for predict, relax, md, run --init-from, ….

    The file is a pickle; nothing in it is run, and mace-torch is not needed to convert it. It is
    needed to use the model: matsciml env create mace 'matsciml-model-mace[mace]' gives it an
    environment, which commands then find by themselves. Weights are published at
    https://github.com/ACEsuit/mace-foundations, of which MACE-MP-0 and MACE-MPA-0 are under the MIT
    licence, and MACE-OFF, MACE-OMAT-0 and others under the Academic Software License, which
    excludes commercial use; look it up for the file that you take.
    """
    from matsciml_core.model.foreign import Provenance, folder_for

    # Of this process alone: a command of a plugin that is no tool uses the core, not its caller.
    from matsciml_core.registry.manager import build_registry
    from matsciml_model_mace.conversion import convert

    folder = folder_for(file, output, replace=replace)
    provenance = Provenance(
        name=folder.name,
        functional=functional,
        licence=licence,
        trained_on=trained_on,
        seen=tuple(seen or ()),
    )
    try:
        config = convert(file, folder, head, provenance, build_registry(strict=False))
    except OSError as error:
        raise ConfigError(
            f"The model cannot be written to '{folder}' ({error.strerror}); name another --output."
        ) from error
    print(
        f"MACE with {config.num_interactions} interactions within {config.cutoff:g} Å, "
        f"{len(config.elements)} elements."
    )
    print(f"Model: {folder}")
