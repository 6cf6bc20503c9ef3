"""Errors by element as a map: the periodic table, each element in a colour for its error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from matsciml_core.interfaces.elements import SYMBOLS
from matsciml_tool_report.crystal_files import CrystalTable
from matsciml_tool_report.error_groups import Group, Losses, by_element
from matsciml_util_pages.crystal_pictures import element_name
from matsciml_util_pages.numbers import counted, number, quantity, with_unit
from matsciml_util_pages.views import View

_RATIOS = (1 / 2, 2 / 3, 5 / 6, 6 / 5, 3 / 2, 2)
"""Bounds between the seven colours, in units of the error of all values: the middle colour is an
error like the whole's, and a few wild elements do not make all others look alike."""
_MIDDLE = len(_RATIOS) // 2 + 1
FEW = 10
"""An element with fewer crystals gets a dashed border: its error says little."""
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers at the end of each period."""
_COLUMNS = 18
_SERIES = {8: ("La–Lu", 57), 9: ("Ac–Lr", 89)}
"""Rows below the table, and the first of their fifteen elements."""


@dataclass(frozen=True, kw_only=True)
class ElementBox:
    """An element of the map, or a gap."""

    symbol: str
    """Empty: a gap."""
    width: int = 1
    """Columns."""
    level: int = 0
    """Colour, 1 (far below the whole's error) to 7 (far above); 0: not in the test set."""
    value: str = ""
    count: str = ""
    """Number of crystals."""
    words: str = ""
    """What the box means."""
    few: bool = False


@dataclass(frozen=True, kw_only=True)
class ElementMap(View):
    """The map, its legend, and what it says in words."""

    template: ClassVar[str] = "matsciml_tool_report/assets/element_map.html.j2"

    caption: str
    rows: Sequence[tuple[str, Sequence[ElementBox]]]
    """Name of the period or series, and its boxes."""
    legend: Sequence[tuple[int, str]]
    """Colour and the errors that have it."""
    legend_title: str
    note: str


def element_map(losses: Losses, table: CrystalTable) -> ElementMap | None:
    """Return the map of errors by element; None where no value belongs to a known crystal.

    Args:
        losses: How wrong each value is.
        table: The crystals of the label's dataset.
    """
    groups = by_element(losses, table)
    if not groups:
        return None
    mean = float(losses.values[losses.crystals >= 0].mean())
    bounds = [ratio * mean for ratio in _RATIOS]
    boxes = {}
    for element, group in groups.items():
        error = quantity(group.error, losses.unit)
        values = f"{counted(group.values, 'value')} in " if losses.per_atom else ""
        boxes[row_and_column(element)] = ElementBox(
            symbol=SYMBOLS[element - 1],
            # Where all errors are zero, so are the bounds, and the colour is that in the middle.
            level=int(np.searchsorted(bounds, group.error, side="right")) + 1 if mean else _MIDDLE,
            value=number(group.error),
            count=f"{group.crystals:,}",
            words=f"{element_name(element)}: {losses.title.lower()} {error}, "
            f"{values}{counted(group.crystals, 'crystal')}",
            few=group.crystals < FEW,
        )
    inner = [f"to {number(bound)}" for bound in bounds[1:]]
    texts = [f"under {number(bounds[0])}", *inner, f"over {number(bounds[-1])}"]
    return ElementMap(
        caption=f"{losses.title} by element",
        rows=_rows(boxes),
        legend=[(_MIDDLE, number(0.0))] if not mean else list(enumerate(texts, start=1)),
        legend_title=with_unit(
            f"{losses.title} of the atoms" if losses.per_atom else losses.title, losses.unit
        ),
        note=_note(groups, losses, mean),
    )


def row_and_column(element: int) -> tuple[int, int]:
    """Return where an element stands, from 1; rows 8 and 9 are lanthanides and actinides.

    >>> [row_and_column(element) for element in (1, 8, 26, 57, 72)]
    [(1, 1), (2, 16), (4, 8), (8, 3), (6, 4)]
    """
    for row, (_, start) in _SERIES.items():
        if start <= element < start + 15:
            return row, element - start + 3
    period = int(np.searchsorted(_NOBLE, element, side="left"))
    # Elements of the first two groups are counted from the left, all others from the noble gas.
    before, after = element - _NOBLE[period - 1], _NOBLE[period] - element
    return period, before if before <= (1 if period == 1 else 2) else _COLUMNS - after


def _rows(boxes: Mapping[tuple[int, int], ElementBox]) -> list[tuple[str, list[ElementBox]]]:
    """Lay the boxes out, gaps between them; rows of heavy elements only where there is one."""
    grid: dict[int, dict[int, ElementBox]] = {}
    for element, symbol in enumerate(SYMBOLS, start=1):
        row, column = row_and_column(element)
        grid.setdefault(row, {})[column] = boxes.get((row, column)) or ElementBox(symbol=symbol)
    shown = {*range(1, 7), *(row for row, _ in boxes)}
    shown |= {7} if 9 in shown else set()  # the seventh period, to which the actinides belong
    rows = []
    for row in sorted(shown):
        line, column = [], 1
        for start, box in sorted(grid[row].items()):
            line += [ElementBox(symbol="", width=start - column)] if start > column else []
            line.append(box)
            column = start + 1
        rest = _COLUMNS + 1 - column
        line += [ElementBox(symbol="", width=rest)] if rest else []
        rows.append((_SERIES[row][0] if row in _SERIES else str(row), line))
    return rows


def _note(groups: Mapping[int, Group], losses: Losses, mean: float) -> str:
    """Say whose errors the map shows, how to read it, and which elements are best and worst."""
    owner = (
        "Errors are those of the element's atoms."
        if losses.per_atom
        else "Errors are those of the crystals that contain the element."
    )
    noun = "crystal" if losses.independent else "value"
    # The sentence about borders would puzzle where there is none.
    few = any(group.crystals < FEW for group in groups.values())
    text = (
        f"{owner} The middle colour is near the error of all {noun}s, "
        f"{quantity(mean, losses.unit)}. Below each value is the number of crystals"
        f"{f'; a dashed border marks fewer than {FEW}' if few else ''}."
    )
    enough = {element: group for element, group in groups.items() if group.crystals >= FEW}
    if len(enough) < 2:
        return text
    best, worst = (choose(enough, key=lambda one: enough[one].error) for choose in (min, max))
    least, most = (quantity(enough[element].error, losses.unit) for element in (best, worst))
    return (
        f"{text} Among the elements with at least {FEW} crystals, {element_name(best).lower()} has "
        f"the smallest error, {least}, and {element_name(worst).lower()} the largest, {most}."
    )
