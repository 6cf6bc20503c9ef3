"""The reference of the command line: the help of each command, as it prints it."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout

from matsciml_cli.app import execute
from matsciml_cli.commands import VERBS

_WIDTH = "88"


def command_line_markdown() -> str:
    """Return the help of ``matsciml`` and of each of its commands, in MyST Markdown."""
    sections = [_section("matsciml")]
    sections += [_section(f"matsciml {verb}", verb) for verb in VERBS]
    return "\n\n".join(sections) + "\n"


def help_text(*arguments: str) -> str:
    """Return what a command prints with ``--help``.

    Raises:
        RuntimeError: The command does not know ``--help``.
    """
    output = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH
    try:
        with redirect_stdout(output):
            outcome = execute([*arguments, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    if outcome != 0:
        raise RuntimeError(f"'matsciml {' '.join(arguments)} --help' exits with {outcome}.")
    return output.getvalue().strip()


def _section(title: str, *arguments: str) -> str:
    anchor = title.replace(" ", "-")
    return f"({anchor})=\n## `{title}`\n\n```text\n{help_text(*arguments)}\n```"
