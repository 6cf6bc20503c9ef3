"""Files that commands write: never over what is there unasked, and never over their own input."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from matsciml_core.errors import ConfigError
from matsciml_core.files import remove_leftovers

Replace = Annotated[bool, typer.Option("--replace", help="Replace output that exists.")]


def check_output(
    path: Path, *, replace: bool, inputs: Iterable[Path] = (), option: str = "--output"
) -> None:
    """Refuse output that would cost the user something, before anything is computed.

    What a killed command left of the same output is removed.

    Args:
        path: The file or folder to write; its parents are made.
        replace: Whether what is there may be replaced.
        inputs: What the command reads: files, or folders, whose files count.
        option: The option that names the output.

    Raises:
        ConfigError: The output exists, is an input, or cannot be written.
    """
    try:
        here = path.resolve()
        for source in inputs:
            if source.exists() and source.resolve() == here:
                raise ConfigError(
                    f"'{path}' is what the command reads, and is never replaced; name another "
                    f"{option}."
                )
        # What a killed command left of it is no output, and nobody would know whose it is.
        if os.access(path.parent, os.W_OK | os.X_OK):
            remove_leftovers(path)
        empty_folder = path.is_dir() and not any(path.iterdir())
        if path.exists() and not replace and not empty_folder:
            raise ConfigError(f"'{path}' exists; give --replace, or name another {option}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(path.parent, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be written ({error.strerror}); name another {option}."
        ) from error
    if not writable:
        raise ConfigError(
            f"'{path}' cannot be written (the folder '{path.parent}' is read-only); name another "
            f"{option}."
        )
