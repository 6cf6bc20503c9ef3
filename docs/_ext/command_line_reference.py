"""The reference of the command line: a page per command with its help, and a table of them all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import typer
from markdown_tables import markdown_table
from plugin_reference import registry

from matsciml_cli.app import execute
from matsciml_cli.commands import COMMANDS, GROUPS
from matsciml_core.registry.installed import CORE
from matsciml_core.registry.specs import CommandSpec

DOCS = Path(__file__).parents[1]
FOLDER = "commands"
"""Where the pages lie, beside the page that lists them."""
_WIDTH = "88"
_BUILTIN = {spec.name for spec in COMMANDS}


def commands() -> dict[str, tuple[CommandSpec, str]]:
    """Return the commands of this repository with their distributions, in the order of the help."""
    offers = {spec.name: (spec, CORE) for spec in COMMANDS}
    for spec, record in registry().components("command"):
        if isinstance(spec, CommandSpec):
            offers[spec.name] = (spec, record.distribution)
    return dict(sorted(offers.items(), key=lambda item: GROUPS.index(item[1][0].group)))


def command_line_markdown() -> str:
    """Return the help of ``matsciml`` itself and the tables of its commands, in MyST Markdown."""
    pages = "\n".join(f"{FOLDER}/{name}" for name in commands())
    contents = f"```{{toctree}}\n:hidden:\n\n{pages}\n```"
    tables = [part for group in GROUPS for part in (f"## {group}", _table(group))]
    return "\n\n".join([*tables, contents, "## Options", _help()]) + "\n"


def command_pages() -> dict[str, str]:
    """Return the page of each command by its file's name, in MyST Markdown."""
    return {f"{name}.md": _page(name) for name in commands()}


def subcommands(name: str) -> list[str]:
    """Return what follows a command that is a group of commands; empty for all others.

    >>> subcommands("data")[:2], subcommands("run")
    (['list', 'fetch'], [])
    """
    loaded = commands()[name][0].load()
    inner = loaded.registered_commands if isinstance(loaded, typer.Typer) else []
    # A command without a name of its own is called like its function.
    names = [command.name or getattr(command.callback, "__name__", "") for command in inner]
    return [name.replace("_", "-") for name in names]


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


def _table(group: str) -> str:
    rows = [
        (f"[`matsciml {name}`]({FOLDER}/{name}.md)", spec.summary, f"`{distribution}`")
        for name, (spec, distribution) in commands().items()
        if spec.group == group
    ]
    return markdown_table(("command", "what it does", "distribution"), rows)


def _page(name: str) -> str:
    source = "Part of the core." if name in _BUILTIN else f"Part of `{commands()[name][1]}`."
    parts = [f"# `matsciml {name}`", source, _help(name)]
    inner = subcommands(name)
    for word in inner:
        parts += [f"## `matsciml {name} {word}`", _help(name, word), _shown(name, word)]
    if not inner:
        parts.append(_shown(name))
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
