"""Tables that can be sorted and filtered, before they become HTML or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matsciml_util_pages.finished_runs import Spread
from matsciml_util_pages.numbers import number
from matsciml_util_pages.views import Fact


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column."""

    key: str
    title: str
    unit: str = ""
    """Unit of all its numbers, where they share one."""
    numeric: bool = False
    facet: bool = False
    """Whether readers can pick one of its values to see only those rows."""
    strong: bool = False
    """Whether it stands out."""
    meaning: str = ""
    """What it holds, for whoever points at its title."""


@dataclass(frozen=True)
class Value:
    """What stands in a cell of a sheet."""

    text: str = ""
    order: float | None = None
    """By what numbers are sorted; None: the text is, or there is no number."""
    below: str = ""
    """A second line, smaller."""
    notes: tuple[str, ...] = ()
    """Names of footnotes."""
    link: str = ""
    """Relative address."""
    tone: str = ""
    """``quiet``, ``good`` or ``bad``."""


def number_value(value: float | None) -> Value:
    """Return a measured number as a value; one that is missing is written as absent."""
    return Value(number(value), order=value, tone="" if value is not None else "quiet")


def spread_value(spread: Spread) -> Value:
    """Return a number over several seeds as a value, with its standard deviation where known."""
    if spread.mean is None or spread.deviation is None:
        return number_value(spread.mean)
    return Value(f"{number(spread.mean)} ± {number(spread.deviation)}", order=spread.mean)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of values; the first column names the row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]

    def facets(self) -> list[tuple[Column, list[str]]]:
        """Return the columns to filter by, with their values; none that has one value only."""
        found = []
        for column in self.columns:
            if column.facet:
                values = list(dict.fromkeys(row[column.key].text for row in self.rows))
                if len(values) > 1:
                    found.append((column, values))
        return found


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page."""

    anchor: str
    title: str
    lead: str = ""
    sheet: Sheet | None = None
    figures: Sequence[Any] = ()
    """Drawings, or why there is none."""
    bars: Sequence[Any] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of sheets."""

    eyebrow: str
    title: str
    lead: str = ""
    facts: Sequence[Fact] = ()
    notices: Sequence[str] = ()
    sections: Sequence[Section] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    """Footnotes by name, in their order."""
    command: str = ""
    """What made the page, and makes it again."""
    citations: Sequence[Any] = ()


def to_markdown(page: Page) -> str:
    """Return a page as Markdown."""
    parts = [f"# {page.title}", page.lead]
    parts += [f"> {notice}" for notice in page.notices]
    parts.append("\n".join(f"- {fact.name}: {fact.value}" for fact in page.facts))
    for section in page.sections:
        if section.sheet is not None:
            title = f"## {section.title}" if len(page.sections) > 1 else ""
            parts += [title, section.lead, _markdown_table(section.sheet, page)]
    parts += [f"[^{place}]: {text}" for place, text in enumerate(page.notes.values(), start=1)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV, an empty field for what is absent."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: "" if value is None else value for key, value in record.items()})
    return stream.getvalue()


def numbered(names: Sequence[str], page: Page) -> list[int]:
    """Return the numbers of footnotes, ascending; those that the page lacks are left out."""
    place = {name: number for number, name in enumerate(page.notes, start=1)}
    return sorted(place[name] for name in set(names) if name in place)


def _markdown_table(sheet: Sheet, page: Page) -> str:
    kept = [one for one in sheet.columns if any(row[one.key].text for row in sheet.rows)]
    head = [f"{one.title} ({one.unit})" if one.unit else one.title for one in kept]
    rule = ["---:" if one.numeric else "---" for one in kept]
    rows = [[_markdown_cell(row[one.key], page) for one in kept] for row in sheet.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def _markdown_cell(value: Value, page: Page) -> str:
    marks = "".join(f"[^{number}]" for number in numbered(value.notes, page))
    text = f"{value.text} {value.below}".strip()
    return text.replace("|", "\\|").replace("\n", " ") + marks
