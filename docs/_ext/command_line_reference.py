"""The reference of the command line: a page per command with its help, and a table of them all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import typer
from markdown_tables import markdown_table

from matsciml_cli.app import execute
from matsciml_cli.commands import VERBS

DOCS = Path(__file__).parents[1]
FOLDER = "commands"
"""Where the pages lie, beside the page that lists them."""
_WIDTH = "88"


def command_line_markdown() -> str:
    """Return the help of ``matsciml`` itself and the table of its commands, in MyST Markdown."""
    rows = [(f"[`matsciml {verb}`]({FOLDER}/{verb}.md)", VERBS[verb][1]) for verb in VERBS]
    pages = "\n".join(f"{FOLDER}/{verb}" for verb in VERBS)
    contents = f"```{{toctree}}\n:hidden:\n\n{pages}\n```"
    parts = (markdown_table(("command", "what it does"), rows), contents, _help())
    return "\n\n".join(parts) + "\n"


def command_pages() -> dict[str, str]:
    """Return the page of each command by its file's name, in MyST Markdown."""
    return {f"{verb}.md": _page(verb) for verb in VERBS}


def subcommands(verb: str) -> list[str]:
    """Return what follows a verb that is a group of commands; empty for all others.

    >>> subcommands("data")[:2], subcommands("run")
    (['list', 'fetch'], [])
    """
    module, _, function = VERBS[verb][0].partition(":")
    target = getattr(import_module(f"matsciml_cli.commands.{module}"), function)
    known = target.registered_commands if isinstance(target, typer.Typer) else []
    return [str(one.name) for one in known]


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


def _page(verb: str) -> str:
    parts = [f"# `matsciml {verb}`", _help(verb)]
    inner = subcommands(verb)
    for one in inner:
        parts += [f"## `matsciml {verb} {one}`", _help(verb, one), _shown(verb, one)]
    if not inner:
        parts.append(_shown(verb))
    return "\n\n".join(part for part in parts if part) + "\n"


def _help(*arguments: str) -> str:
    return f"```text\n{help_text(*arguments)}\n```"


def _shown(*arguments: str) -> str:
    """Return links to the pages on which a command is typed; empty where there is none."""
    words = " ".join(("matsciml", *arguments))
    links = [f"- [{title}](../../{place})" for title, place in _pages_that_type(words)]
    return "\n".join(["Shown in use:", "", *links]) if links else ""


def _pages_that_type(words: str) -> Iterator[tuple[str, str]]:
    typed = re.compile(rf"^(?:!|    |\$ |[A-Z_]+=\S+ )*{re.escape(words)}(?![\w-])", re.MULTILINE)
    for folder in ("tutorial", "how-to"):
        for page in sorted((DOCS / folder).glob("*.md")):
            text = page.read_text("utf-8")
            title = re.search("^# (.+)$", text, re.MULTILINE)
            if title and typed.search(text):
                yield title[1], page.relative_to(DOCS).as_posix()
