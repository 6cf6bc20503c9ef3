"""Sheets: tables that readers sort and filter, and whose numbers are also written as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from matsciml_core.errors import visible
from matsciml_util_pages.finished_runs import Spread
from matsciml_util_pages.numbers import number, with_unit
from matsciml_util_pages.views import View

_FORMULA = ("=", "+", "-", "@", "\t")
"""How a text begins that a spreadsheet would compute."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a sheet."""

    key: str
    """Under which the rows have its values."""
    title: str
    unit: str = ""
    """Unit of all its numbers, where they share one."""
    numeric: bool = False
    facet: bool = False
    """Whether readers can choose one of its values to see only those rows."""
    strong: bool = False
    """Whether it stands out."""
    meaning: str = ""
    """What it holds, shown when the pointer is on its title."""


@dataclass(frozen=True)
class Value:
    """An entry of a sheet."""

    text: str = ""
    order: float | None = None
    """The number by which it is sorted; None: its text is, or it has no number."""
    below: str = ""
    """A second line, smaller."""
    notes: tuple[str, ...] = ()
    """Names of footnotes of the page."""
    link: str = ""
    """Relative address."""
    tone: str = ""
    """``quiet``, ``good`` or ``bad``."""

    @property
    def sort_key(self) -> str:
        """By what the script sorts it: its number, or its text in lower case."""
        return self.text.lower() if self.order is None else repr(float(self.order))


@dataclass(frozen=True, kw_only=True)
class Sheet(View):
    """A table of values; the first column names the row."""

    template: ClassVar[str] = "matsciml_util_pages/assets/sheet.html.j2"

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]
    """Values by the keys of the columns."""

    def facets(self) -> list[tuple[Column, list[str]]]:
        """Return the columns to filter by, with their values; none that has one value only."""
        # A choice among one value would be no choice.
        facets = []
        for column in self.columns:
            if column.facet:
                values = list(dict.fromkeys(row[column.key].text for row in self.rows))
                if len(values) > 1:
                    facets.append((column, values))
        return facets

    def to_markdown(self, footnotes: Callable[[Sequence[str]], list[int]]) -> str:
        """Return the sheet as a table in Markdown, without columns that are empty.

        Args:
            footnotes: Numbers of the page's footnotes by their names.
        """
        columns = [
            column for column in self.columns if any(row[column.key].text for row in self.rows)
        ]

        def entry(value: Value) -> str:
            marks = "".join(f"[^{number}]" for number in footnotes(value.notes))
            text = f"{value.text} {value.below}".strip()
            # A bar or a line break would end the entry.
            return text.replace("|", "\\|").replace("\n", " ") + marks

        lines = [
            [with_unit(column.title, column.unit) for column in columns],
            ["---:" if column.numeric else "---" for column in columns],
            *([entry(row[column.key]) for column in columns] for row in self.rows),
        ]
        return "\n".join(f"| {' | '.join(entries)} |" for entries in lines)


def number_value(value: float | None) -> Value:
    """Return a measured number as a value; one that is missing is written as absent."""
    return Value(number(value), order=value, tone="" if value is not None else "quiet")


def spread_value(spread: Spread) -> Value:
    """Return a number over several seeds as a value, with its standard deviation where known."""
    if spread.mean is None or spread.deviation is None:
        return number_value(spread.mean)
    return Value(f"{number(spread.mean)} ± {number(spread.deviation)}", order=spread.mean)


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV, an empty field for what is absent.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, as spreadsheets
    have it: names of runs, datasets and labels come from files of others.

    >>> to_csv([{"mae": 0.5, "label": None}]).splitlines()
    ['mae,label', '0.5,']
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: _entry(value) for key, value in record.items()})
    return stream.getvalue()


def _entry(value: Any) -> Any:
    if not isinstance(value, str):
        return "" if value is None else value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
