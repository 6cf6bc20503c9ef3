"""What a section of a page is made of: records that hold text, each with a template.

Templates escape the text. A plugin adds a view of its own by a frozen dataclass below
:class:`View`, whose template finds the record as ``view``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

_ASSETS = "matsciml_util_pages/assets"


class View:
    """What can stand in a section."""

    template: ClassVar[str]
    """Package and path of the template that writes it as HTML."""


@dataclass(frozen=True)
class Lead(View):
    """A paragraph that says what follows."""

    template: ClassVar[str] = f"{_ASSETS}/lead.html.j2"

    text: str


@dataclass(frozen=True)
class Absent(View):
    """What cannot be shown, and why."""

    template: ClassVar[str] = f"{_ASSETS}/absent.html.j2"

    reason: str
    """A sentence."""


@dataclass(frozen=True)
class Heading(View):
    """The heading of a part of a section."""

    template: ClassVar[str] = f"{_ASSETS}/heading.html.j2"

    text: str


@dataclass(frozen=True, kw_only=True)
class Table(View):
    """A table; the first entry of each row names the row."""

    template: ClassVar[str] = f"{_ASSETS}/table.html.j2"

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    numeric: bool = True
    """Whether all columns but the first hold numbers."""
    strong: int | None = None
    """Index of the column that stands out."""
    identifiers: bool = False
    """Whether the first column holds identifiers, set in a fixed-width font."""
    bars: Sequence[float] = ()
    """Length of a bar behind each row, 0 to 1; empty: there are none."""


@dataclass(frozen=True)
class Tables(View):
    """Tables side by side, where there is room."""

    template: ClassVar[str] = f"{_ASSETS}/tables.html.j2"

    tables: Sequence[Table]


@dataclass(frozen=True)
class Fact:
    """A named value."""

    name: str
    value: str
    code: bool = False
    """Whether the value is an identifier, a hash or a command."""


@dataclass(frozen=True)
class Facts(View):
    """Named values, in columns; nothing where there are none."""

    template: ClassVar[str] = f"{_ASSETS}/facts.html.j2"

    entries: Sequence[Fact]


@dataclass(frozen=True)
class Beside(View):
    """Two columns, of which the first is wider; one below the other where there is no room."""

    template: ClassVar[str] = f"{_ASSETS}/beside.html.j2"

    wide: Sequence[View]
    narrow: Sequence[View]


@dataclass(frozen=True, kw_only=True)
class Copyable(View):
    """Text in a fixed-width font, with a button that copies it."""

    template: ClassVar[str] = f"{_ASSETS}/copyable.html.j2"

    name: str
    """Unique within the page; its id."""
    what: str
    """What is copied, for example ``the command``."""
    text: str


@dataclass(frozen=True)
class Details(View):
    """Views that are shown when the summary is clicked, and when the page is printed."""

    template: ClassVar[str] = f"{_ASSETS}/details.html.j2"

    summary: str
    views: Sequence[View]


def facts(*entries: tuple[str, object] | Fact) -> list[Fact]:
    """Return facts, leaving out those without a value.

    >>> facts(("Seed", 7), ("GPU", None), ("Time", "—"))
    [Fact(name='Seed', value='7', code=False)]
    """
    # Values come from JSON, where a missing number is null.
    made = [
        entry
        if isinstance(entry, Fact)
        else Fact(entry[0], "" if entry[1] is None else str(entry[1]))
        for entry in entries
    ]
    return [fact for fact in made if fact.value not in ("", "—")]
