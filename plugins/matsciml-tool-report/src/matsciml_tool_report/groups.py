"""Errors told apart: by the crystal system of a crystal, and by the elements in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.splits.grouping import SYMPREC
from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report.crystals import CrystalTable, Integers
from matsciml_util_pages.numbers import ABSENT, number
from matsciml_util_pages.plots import with_unit
from matsciml_util_pages.run_files import Numbers, Predictions
from matsciml_util_pages.views import Table

_NO_SYSTEM = "none found"
"""A crystal that is not periodic in three directions, or too distorted for the search."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """How wrong each value is, and which crystal and atom it belongs to."""

    title: str
    """What its mean is called."""
    short: str
    """The same where there is little room."""
    unit: str
    values: Numbers
    """``(values,)``: absolute errors in the label's unit; of classes 100 where wrong, else 0."""
    baseline: Numbers | None
    """The same of predicting the mean, where it is known."""
    crystals: Integers
    """Place of each value's crystal in its table, ``(values,)``; −1 where it is not there."""
    atoms: Integers | None
    """Place of each value's atom in its crystal, ``(values,)``; None: values are of crystals."""
    independent: bool
    """Whether each value is a crystal's only one."""

    @property
    def per_atom(self) -> bool:
        """Whether values belong to atoms."""
        return self.atoms is not None


@dataclass(frozen=True, kw_only=True)
class Group:
    """The errors of one group of values."""

    name: str
    crystals: int
    values: int
    error: float
    """Mean of the losses."""
    standard_error: float | None
    """Of that mean; None where the values are not independent crystals, or do not differ."""
    baseline: float | None
    """Mean of the losses of predicting the mean, where they are known."""


def losses(
    info: TargetInfo, values: Predictions, table: CrystalTable, baseline: Numbers | None
) -> Losses:
    """Return how wrong each value is, and what it belongs to.

    Args:
        info: The label.
        values: At least one label and prediction.
        table: The crystals of the label's dataset.
        baseline: Absolute errors of predicting the mean, ``(values,)``, where they are known.
    """
    classes = info.is_class
    places = values.places if info.per_atom else None
    wrong = np.where(values.labels == values.predictions, 0.0, 100.0)
    return Losses(
        title="Predicted wrong" if classes else "Mean absolute error",
        short="Wrong" if classes else "MAE",
        unit="%" if classes else info.unit,
        values=wrong if classes else np.abs(values.errors),
        baseline=None if classes else baseline,
        crystals=table.find(values.ids),
        # The file numbers the values of a crystal: width · atom + component.
        atoms=None if places is None else places // info.width,
        independent=values.one_per_crystal,
    )


def by_system(found: Losses, table: CrystalTable) -> list[Group]:
    """Return the errors of each crystal system that occurs, in the systems' order.

    Args:
        found: How wrong each value is.
        table: Says which space group each crystal has.

    Returns:
        The systems that have a value, and ``none found`` last; empty where none is known.
    """
    starts = np.array(list(FIRST_SPACE_GROUPS.values()))
    groups = np.where(found.crystals >= 0, table.space_groups[found.crystals], -1)
    systems = np.searchsorted(starts, groups, side="right") - 1
    choices: dict[str, NDArray[np.bool_]] = {
        name: (systems == place) & (groups > 0) for place, name in enumerate(FIRST_SPACE_GROUPS)
    }
    choices[_NO_SYSTEM] = groups == 0
    return [_group(found, name, chosen) for name, chosen in choices.items() if chosen.any()]


def by_element(found: Losses, table: CrystalTable) -> dict[int, Group]:
    """Return the errors of each element by atomic number, ascending.

    They are those of the element's atoms where values are per atom, and of the crystals that
    contain it elsewhere.

    Args:
        found: How wrong each value is.
        table: Says which atoms each crystal has.
    """
    places, numbers = _element_values(found, table)
    order = np.argsort(numbers, kind="stable")
    places, numbers = places[order], numbers[order]
    elements, starts = np.unique(numbers, return_index=True)
    parts = np.split(places, starts[1:]) if len(elements) else []
    return {
        element: _group(found, str(element), part)
        for element, part in zip(elements.tolist(), parts, strict=True)
    }


def _element_values(found: Losses, table: CrystalTable) -> tuple[Integers, Integers]:
    """Return pairs of a value's place and an element it counts for."""
    if found.atoms is not None:
        numbers = table.species(found.crystals, found.atoms)
        places = np.flatnonzero(numbers)
        return places, numbers[places]
    crystals, elements = table.contents
    starts = np.searchsorted(crystals, found.crystals, side="left")
    counts = np.searchsorted(crystals, found.crystals, side="right") - starts
    places = np.repeat(np.arange(len(found.values)), counts)
    within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places, elements[np.repeat(starts, counts) + within]


def _group(found: Losses, name: str, chosen: NDArray[np.bool_] | Integers) -> Group:
    values = found.values[chosen]
    # A handful of crystals that are all wrong has no deviation, but is not therefore certain.
    varied = found.independent and len(values) > 1 and bool(values.std())
    return Group(
        name=name,
        crystals=len(np.unique(found.crystals[chosen])),
        values=len(values),
        error=float(values.mean()),
        standard_error=float(values.std(ddof=1) / len(values) ** 0.5) if varied else None,
        baseline=None if found.baseline is None else float(found.baseline[chosen].mean()),
    )


def system_table(found: Losses, table: CrystalTable) -> Table | None:
    """Return the table of errors by crystal system; None where no system is known."""
    groups = by_system(found, table)
    if not groups:
        return None
    optional = {
        "Its standard error": [one.standard_error for one in groups],
        "Predicting the mean": [one.baseline for one in groups],
    }
    shown = {
        name: column
        for name, column in optional.items()
        if any(value is not None for value in column)
    }
    columns = ["Crystal system", "Crystals", *(["Values"] if not found.independent else [])]
    longest = max(one.error for one in groups) or 1.0
    return Table(
        caption=f"{found.title} by crystal system",
        columns=[*columns, with_unit(found.short, found.unit), *shown],
        rows=[
            _row(found, one, [column[place] for column in shown.values()])
            for place, one in enumerate(groups)
        ],
        note=" ".join(_notes(found, table, groups)),
        bars=[one.error / longest for one in groups],
    )


def _row(found: Losses, one: Group, more: Sequence[float | None]) -> list[str]:
    values = [] if found.independent else [f"{one.values:,}"]
    numbers = [number(value) for value in (one.error, *more)]
    return [one.name.capitalize(), f"{one.crystals:,}", *values, *numbers]


def _notes(found: Losses, table: CrystalTable, groups: Sequence[Group]) -> Iterator[str]:
    if table.searched:
        yield f"Space groups were searched for with a tolerance of {SYMPREC:g} Å."
    else:
        yield "Space groups are those that the data state."
    tested = np.unique(found.crystals[found.crystals >= 0])
    looked = int((table.space_groups[tested] >= 0).sum())
    if looked < len(tested):
        yield f"They are known for an even sample of {looked:,} of the {len(tested):,} crystals."
    if found.independent and any(one.standard_error is None for one in groups):
        yield f"{ABSENT}: one crystal, or errors that are all the same, have no standard error."
