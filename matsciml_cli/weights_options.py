"""The options of commands that make a model of a file of weights which another program wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import write_line
from matsciml_core.errors import ConfigError

if TYPE_CHECKING:
    from matsciml_core.model.foreign import Provenance


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """Where the model goes, and what a file of weights does not say of itself."""

    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: FILE's stem.")
    ] = None
    functional: Annotated[
        str, typer.Option(help="Level of theory of its training labels, to be recorded.")
    ] = ""
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Licence of the weights, likewise.")
    ] = ""
    trained_on: Annotated[str, typer.Option(help="What it was trained on, likewise.")] = ""
    seen: Annotated[
        list[str] | None,
        typer.Option(help="Dataset of whose crystals most were in training; repeat."),
    ] = None
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model in the folder.")] = (
        False
    )

    def convert(self, file: Path, write_model: Callable[[Path, Provenance], str]) -> None:
        """Make the model, and tell what and where it is.

        Args:
            file: The file of weights.
            write_model: Writes the model to a folder with its provenance, and describes it in a
                line.

        Raises:
            ConfigError: The folder cannot be written, or has a model that is to be kept.
        """
        from matsciml_core.model.foreign import Provenance, folder_for

        folder = folder_for(file, self.output, replace=self.replace)
        provenance = Provenance(
            name=folder.name,
            functional=self.functional,
            licence=self.licence,
            trained_on=self.trained_on,
            seen=tuple(self.seen or ()),
        )
        try:
            description = write_model(folder, provenance)
        except OSError as error:
            raise ConfigError(
                f"The model cannot be written to '{folder}' ({error.strerror}); name another "
                "--output."
            ) from error
        write_line(description)
        write_line(f"Model: {folder}")
