"""Output: rich tables on a terminal, plain text that nothing cuts off anywhere else.

What only some outputs need is imported inside the functions: rich alone takes as long as a third
of a whole ``matsciml list-plugins`` in a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from matsciml_core.errors import HIDDEN, visible

STYLES = {
    "ok": "green",
    "duplicate": "red",
    "incomplete": "yellow",
    "warning": "yellow",
    "failed": "red",
    "blocked": "dim",
    "available": "dim",
}
"""Colour of a state, wherever one is shown."""


_GAP = "  "
_PROSE = 40
"""Fewest characters that the last column, which holds prose, needs to be read."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    entries: tuple[str, ...]
    """Text of each column; the last column holds prose."""
    style: str = ""
    """A rich style for the whole line; ignored where there is no terminal."""


def on_terminal() -> bool:
    """Return whether the output goes to a terminal rather than into a pipe or file."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def write_json(data: Any) -> None:
    """Write data as JSON, and nothing else, to stdout."""
    import json

    text = json.dumps(data, indent=2, ensure_ascii=False)
    # What lies below 0x20 JSON escapes itself; the escapes of the rest are JSON's, too.
    print(text.translate({code: f"\\u{code:04x}" for code in HIDDEN if code > 0x20}))


def write_line(*values: object, flush: bool = False) -> None:
    """Write values with spaces between them, every character visible.

    Args:
        values: What to write; a line break in it stays one.
        flush: Whether to write at once, to a file or pipe too.
    """
    print(*(visible(str(value)) for value in values), flush=flush)


def write_heading(text: str) -> None:
    """Write the title of a section."""
    if on_terminal():
        typer.secho(visible(text), bold=True)
    else:
        print(visible(text))


def write_table(rows: Sequence[Row], *, header: Sequence[str] = (), indent: int = 0) -> None:
    """Write rows in columns.

    On a terminal long entries of the last column wrap; elsewhere every row is one line of its full
    length, so that it can be searched with ``grep``.

    Args:
        rows: The lines, with equally many entries each.
        header: Titles of the columns; empty: none.
        indent: Spaces before each line.
    """
    rows = [replace(row, entries=tuple(map(visible, row.entries))) for row in rows]
    if on_terminal():
        _write_rich_table(rows, header, indent)
        return
    # Spaces rather than tabs, so that columns line up wherever the text is pasted.
    lines = [row.entries for row in rows]
    if header:
        lines.insert(0, tuple(header))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (entry.ljust(width) for entry, width in zip(line, widths, strict=True))
        print((" " * indent + _GAP.join(padded)).rstrip())


def warn(message: str) -> None:
    """Write a remark to stderr, where it does not mix with the output proper."""
    print(visible(message), file=sys.stderr)


def _write_rich_table(rows: Sequence[Row], header: Sequence[str], indent: int) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    facts = zip(*(row.entries[:-1] for row in rows), strict=True)
    width = sum(max(map(len, column)) + len(_GAP) for column in facts)
    blocks: Iterable[Any]
    if console.width - indent - width < _PROSE:
        blocks = _stacked(rows)
    else:
        gaps = (0, len(_GAP), 0, 0)
        table = Table(box=None, show_header=bool(header), pad_edge=False, padding=gaps)
        last = len(rows[0].entries) - 1 if rows else len(header) - 1
        for column in range(last + 1):
            title = header[column] if header else ""
            table.add_column(title, header_style="bold", overflow="fold", no_wrap=column < last)
        for row in rows:
            # As Text, because rich takes square brackets in plain strings for markup.
            table.add_row(*map(Text, row.entries), style=row.style or None)
        blocks = [table]
    for block in blocks:
        console.print(Padding(block, (0, 0, 0, indent)))


def _stacked(rows: Sequence[Row]) -> Iterator[Any]:
    """Lay out rows for a narrow terminal: the prose of the last column gets lines of its own."""
    from rich.padding import Padding
    from rich.text import Text

    for row in rows:
        facts = _GAP.join(filter(None, row.entries[:-1]))
        if facts:
            yield Text(facts, style=row.style or "bold")
        if row.entries[-1]:
            yield Padding(Text(row.entries[-1], style=row.style), (0, 0, 0, len(_GAP)))
