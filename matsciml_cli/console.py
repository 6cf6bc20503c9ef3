"""Output: rich tables on a terminal, plain text that nothing cuts off anywhere else.

What only some outputs need is imported inside the functions: rich alone takes as long as a third
of a whole ``matsciml list-plugins`` in a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer

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
"""Fewest characters that the last column, which holds prose, may be squeezed into."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    cells: tuple[str, ...]
    style: str = ""
    """A rich style for the whole line; ignored where there is no terminal."""


def on_terminal() -> bool:
    """Return whether a person reads the output directly."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def write_json(data: Any) -> None:
    """Write data as JSON, and nothing else, to stdout."""
    import json

    print(json.dumps(data, indent=2, ensure_ascii=False))


def write_heading(text: str) -> None:
    """Write the title of a section."""
    if on_terminal():
        typer.secho(text, bold=True)
    else:
        print(text)


def write_table(rows: Sequence[Row], *, header: Sequence[str] = (), indent: int = 0) -> None:
    """Write rows in columns.

    On a terminal long cells of the last column wrap; elsewhere every row is one line of its full
    length, so that it can be searched with ``grep``.

    Args:
        rows: The lines, with equally many cells each.
        header: Titles of the columns; empty: none.
        indent: Spaces before each line.
    """
    if on_terminal():
        _write_rich(rows, header, indent)
    else:
        _write_plain(rows, header, indent)


def warn(message: str) -> None:
    """Write a remark to stderr, where it does not mix with the output proper."""
    print(message, file=sys.stderr)


def _write_plain(rows: Sequence[Row], header: Sequence[str], indent: int) -> None:
    lines = [tuple(header), *(row.cells for row in rows)] if header else [r.cells for r in rows]
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print((" " * indent + _GAP.join(padded)).rstrip())


def _write_rich(rows: Sequence[Row], header: Sequence[str], indent: int) -> None:
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    room = console.width - indent - _natural_width([row.cells[:-1] for row in rows])
    shown = _stack(rows) if room < _PROSE else [_table(rows, header)]
    for renderable in shown:
        console.print(Padding(renderable, (0, 0, 0, indent)))


def _natural_width(lines: Sequence[Sequence[str]]) -> int:
    """Return the width of columns that are as wide as their widest cell, gaps included."""
    columns = zip(*lines, strict=True)
    return sum(max(map(len, column)) + len(_GAP) for column in columns)


def _table(rows: Sequence[Row], header: Sequence[str]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, len(_GAP), 0, 0))
    last = len(rows[0].cells) - 1 if rows else len(header) - 1
    for position in range(last + 1):
        title = header[position] if header else ""
        table.add_column(title, header_style="bold", overflow="fold", no_wrap=position < last)
    for row in rows:
        table.add_row(*map(Text, row.cells), style=row.style or None)
    return table


def _stack(rows: Sequence[Row]) -> Iterator[Any]:
    """Lay out rows for a narrow terminal: the prose of the last column gets lines of its own."""
    from rich.padding import Padding
    from rich.text import Text

    for row in rows:
        facts = _GAP.join(filter(None, row.cells[:-1]))
        if facts:
            yield Text(facts, style=row.style or "bold")
        if row.cells[-1]:
            yield Padding(Text(row.cells[-1], style=row.style), (0, 0, 0, len(_GAP)))
