"""What the elements are: measured properties, from a table that comes with the package.

The table has gaps. A gap is filled by the elements that stand nearest in the periodic table, and
the columns are standardised over the 118 elements, so that a network sees numbers of order one.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ElementDescriptors", "element_descriptors"]

ROWS = 119
"""Rows of a table by atomic number, 0 to 118; row 0 is no element."""
NEAREST = 4
"""Number of elements that fill a gap."""
_PERIODS = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic number of the noble gas that ends each period."""
_WIDTH = 32
"""Columns of the periodic table in the form that does not set the f-block apart."""

Floats = NDArray[np.float64]


class ElementDescriptors(NamedTuple):
    """Descriptors of the elements. Row Z of an array is the element of atomic number Z.

    Row 0, which stands for no element, is the mean over the elements: zero once standardised.
    """

    names: tuple[str, ...]
    """Names of the columns, such as ``electronegativity_pauling``."""
    units: tuple[str, ...]
    """Unit of each column; ``dimensionless`` where it has none."""
    values: Floats
    """``(119, columns)``, in the columns' units, gaps filled."""
    measured: NDArray[np.bool_]
    """Where the table has a value, ``(119, columns)``; elsewhere it is filled."""
    standardised: Floats
    """``(119, columns)``, dimensionless: mean 0 and standard deviation 1 over the 118 elements, of
    the logarithm where a column spans orders of magnitude."""


@functools.cache
def element_descriptors() -> ElementDescriptors:
    """Return the descriptors of the elements; the arrays are shared, and cannot be written to.

    A gap is filled by the mean over the four elements nearest to it that have a value, weighted
    by 1/d². d is the distance in the periodic table of 32 columns, a step to the next period
    counting as much as one to the next column; the logarithm is averaged where a column is
    standardised in it.

    >>> table = element_descriptors()
    >>> column = table.names.index("electronegativity_pauling")
    >>> float(table.values[8, column]), table.values.shape[0]
    (3.44, 119)
    """
    folder = files("matsciml_core.nn") / "element_table"
    columns = list(csv.DictReader(_lines(folder.joinpath("columns.csv").read_bytes())))
    names = tuple(column["name"] for column in columns)
    table = np.full((ROWS, len(names)), np.nan)
    for row in csv.DictReader(_lines(folder.joinpath("elements.csv").read_bytes())):
        table[int(row["atomic_number"])] = [float(row[name] or "nan") for name in names]
    measured = ~np.isnan(table)
    logarithmic = np.array([column["scale"] == "log" for column in columns])
    scaled = table.copy()
    scaled[:, logarithmic] = np.log10(table[:, logarithmic])
    _fill(scaled[1:])
    mean, deviation = scaled[1:].mean(axis=0), scaled[1:].std(axis=0)
    scaled[0] = mean
    values = np.where(logarithmic, 10.0 ** np.where(logarithmic, scaled, 0.0), scaled)
    # 10^(log10 x) differs from x in the last digit; what is measured stays as it is.
    values = np.where(measured, table, values)
    standardised = (scaled - mean) / deviation
    for array in (values, measured, standardised):
        array.setflags(write=False)
    units = tuple(column["unit"] for column in columns)
    return ElementDescriptors(names, units, values, measured, standardised)


def _lines(content: bytes) -> Iterator[str]:
    return iter(content.decode("utf-8").splitlines())


def _fill(table: Floats) -> None:
    """Fill the gaps of a table in place.

    Args:
        table: ``(118, columns)``, in the units of its columns; NaN where there is no value.
    """
    places = np.array([_place(number) for number in range(1, ROWS)], dtype=float)
    squared = np.square(places[:, None] - places[None, :]).sum(axis=2)  # d², (118, 118)
    for column in table.T:
        gaps, known = np.flatnonzero(np.isnan(column)), np.flatnonzero(~np.isnan(column))
        for gap in gaps:
            # A stable order: of elements equally far away the lighter ones are taken.
            nearest = known[np.argsort(squared[gap, known], kind="stable")[:NEAREST]]
            column[gap] = np.average(column[nearest], weights=1.0 / squared[gap, nearest])


def _place(number: int) -> tuple[int, int]:
    """Return period and column, 1 to 32, of an element in the long periodic table."""
    period = next(index for index, last in enumerate(_PERIODS) if number <= last)
    first = number - _PERIODS[period - 1]
    # Helium stands above the noble gases; elsewhere the s-block begins a period, and what follows
    # is flush with its end: the f-block, 3 to 16, stands before the group of scandium, 17.
    s_block = 1 if period == 1 else 2
    return period, first if first <= s_block else number - _PERIODS[period] + _WIDTH
