"""Errors by element as a map: the periodic table, each element in a colour for its error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matsciml_core.interfaces.elements import SYMBOLS
from matsciml_tool_report.crystals import CrystalTable
from matsciml_tool_report.groups import Group, Losses, by_element
from matsciml_util_pages.crystal_pictures import element_name
from matsciml_util_pages.numbers import counted, number, quantity
from matsciml_util_pages.plots import with_unit

_RATIOS = (1 / 2, 2 / 3, 5 / 6, 6 / 5, 3 / 2, 2)
"""Bounds between the seven colours, in units of the error of all values: the middle colour is an
error like the whole's, and a few wild elements do not make all others look alike."""
LEVELS = len(_RATIOS) + 1
FEW = 10
"""An element with fewer crystals gets a dashed border: its error says little."""
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers at the end of each period."""
_COLUMNS = 18
_SERIES = {8: ("La–Lu", 57), 9: ("Ac–Lr", 89)}
"""Rows below the table, and the first of their fifteen elements."""


@dataclass(frozen=True, kw_only=True)
class ElementCell:
    """A cell of the map."""

    symbol: str
    """Empty: a gap."""
    width: int = 1
    """Columns."""
    level: int = 0
    """Colour, 1 (far below the whole's error) to 7 (far above); 0: not in the test set."""
    value: str = ""
    count: str = ""
    words: str = ""
    few: bool = False


@dataclass(frozen=True, kw_only=True)
class ElementMap:
    """The map, its legend, and what it says in words."""

    caption: str
    rows: Sequence[tuple[str, Sequence[ElementCell]]]
    """Name of the period or series, and its cells."""
    legend: Sequence[tuple[int, str]]
    """Colour and the errors that have it."""
    legend_title: str
    note: str


def element_map(found: Losses, table: CrystalTable) -> ElementMap | None:
    """Return the map of errors by element; None where no value belongs to a known crystal.

    Args:
        found: How wrong each value is.
        table: The crystals of the label's dataset.
    """
    groups = by_element(found, table)
    if not groups:
        return None
    known = found.values[found.crystals >= 0]
    bounds = [ratio * float(known.mean()) for ratio in _RATIOS]
    cells = {place(one): _cell(one, group, found, bounds) for one, group in groups.items()}
    return ElementMap(
        caption=f"{found.title} by element",
        rows=_rows(cells),
        legend=_legend(bounds),
        legend_title=with_unit(
            f"{found.title} of the atoms" if found.per_atom else found.title, found.unit
        ),
        note=_note(groups, found, float(known.mean())),
    )


def place(number: int) -> tuple[int, int]:
    """Return row and column of an element, from 1; rows 8 and 9 are lanthanides and actinides.

    >>> place(1), place(8), place(26), place(57), place(72)
    ((1, 1), (2, 16), (4, 8), (8, 3), (6, 4))
    """
    for row, (_, first) in _SERIES.items():
        if first <= number < first + 15:
            return row, number - first + 3
    period = int(np.searchsorted(_NOBLE, number, side="left"))
    before, after = number - _NOBLE[period - 1], _NOBLE[period] - number
    return period, before if before <= (1 if period == 1 else 2) else _COLUMNS - after


def _cell(element: int, group: Group, found: Losses, bounds: Sequence[float]) -> ElementCell:
    name, error = element_name(element), quantity(group.error, found.unit)
    whose = f"{counted(group.values, 'value')} in " if found.per_atom else ""
    crystals = counted(group.crystals, "crystal")
    return ElementCell(
        symbol=SYMBOLS[element - 1],
        level=_level(group.error, bounds),
        value=number(group.error),
        count=f"{group.crystals:,}",
        words=f"{name}: {found.title.lower()} {error}, {whose}{crystals}",
        few=group.crystals < FEW,
    )


def _level(error: float, bounds: Sequence[float]) -> int:
    """Return the colour of an error; all errors being zero, that in the middle."""
    if not bounds[-1] > 0:
        return LEVELS // 2 + 1
    return int(np.searchsorted(bounds, error, side="right")) + 1


def _rows(cells: Mapping[tuple[int, int], ElementCell]) -> list[tuple[str, Sequence[ElementCell]]]:
    """Lay the cells out, gaps between them; rows of heavy elements only where there is one."""
    grid: dict[int, dict[int, ElementCell]] = {}
    for element, symbol in enumerate(SYMBOLS, start=1):
        row, column = place(element)
        grid.setdefault(row, {})[column] = cells.get((row, column)) or ElementCell(symbol=symbol)
    shown = {*range(1, 7), *(row for row, _ in cells)}
    shown |= {7} if 9 in shown else set()  # to which the actinides belong
    return [(_SERIES.get(row, (str(row), 0))[0], _with_gaps(grid[row])) for row in sorted(shown)]


def _with_gaps(row: Mapping[int, ElementCell]) -> list[ElementCell]:
    filled, column = [], 1
    for start in sorted(row):
        if start > column:
            filled.append(ElementCell(symbol="", width=start - column))
        filled.append(row[start])
        column = start + 1
    if column <= _COLUMNS:
        filled.append(ElementCell(symbol="", width=_COLUMNS + 1 - column))
    return filled


def _legend(bounds: Sequence[float]) -> list[tuple[int, str]]:
    if not bounds[-1] > 0:
        return [(LEVELS // 2 + 1, number(0.0))]
    inner = [f"to {number(bound)}" for bound in bounds[1:]]
    texts = [f"under {number(bounds[0])}", *inner, f"over {number(bounds[-1])}"]
    return list(enumerate(texts, start=1))


def _note(groups: Mapping[int, Group], found: Losses, mean: float) -> str:
    whose = (
        "Errors are those of the element's atoms."
        if found.per_atom
        else "Errors are those of the crystals that contain the element."
    )
    text = (
        f"{whose} The middle colour is near the error of all {_noun(found)}s, "
        f"{quantity(mean, found.unit)}. Below each value is the number of crystals"
    )
    text += f"; a dashed border marks fewer than {FEW}." if _few(groups) else "."
    enough = {one: group for one, group in groups.items() if group.crystals >= FEW}
    if len(enough) < 2:
        return text
    best, worst = (choose(enough, key=lambda one: enough[one].error) for choose in (min, max))
    least, most = (quantity(enough[one].error, found.unit) for one in (best, worst))
    return (
        f"{text} Among the elements with at least {FEW} crystals, {element_name(best).lower()} has "
        f"the smallest error, {least}, and {element_name(worst).lower()} the largest, {most}."
    )


def _noun(found: Losses) -> str:
    return "crystal" if found.independent else "value"


def _few(groups: Mapping[int, Group]) -> bool:
    return any(group.crystals < FEW for group in groups.values())
