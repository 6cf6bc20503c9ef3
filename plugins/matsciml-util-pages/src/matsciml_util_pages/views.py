"""Plain records that the page's template lays out. They hold text; the template escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row names the row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    numeric: bool = True
    """Whether all columns but the first hold numbers."""
    strong: int | None = None
    """Column that stands out."""
    identifiers: bool = False
    """Whether the first column holds identifiers, set in a fixed-width font."""
    bars: Sequence[float] = ()
    """Length of a bar behind each row, 0 to 1; empty: there are none."""


@dataclass(frozen=True)
class Fact:
    """A named value."""

    name: str
    value: str
    code: bool = False
    """Whether the value is an identifier, a hash or a command."""


@dataclass(frozen=True)
class Bar:
    """A bar of the comparison with baselines."""

    name: str
    value: str
    share: float
    """Length as a share of the longest bar, 0 to 1."""
    is_model: bool


@dataclass(frozen=True)
class Card:
    """A titled list of facts, with tables."""

    title: str
    facts: Sequence[Fact]
    tables: Sequence[Table] = ()


def facts(*entries: tuple[str, object] | Fact) -> list[Fact]:
    """Return facts, leaving out those without a value."""
    made = [
        entry if isinstance(entry, Fact) else Fact(entry[0], _text(entry[1])) for entry in entries
    ]
    return [fact for fact in made if fact.value not in ("", "—")]


def _text(value: object) -> str:
    return "" if value is None else str(value)
