"""Errors told apart: by the crystal system of a crystal, and by the elements in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.splits.grouping import SYMPREC
from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report.crystal_files import CrystalTable, Integers
from matsciml_util_pages.numbers import ABSENT, number, with_unit
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
    """Row of each value's crystal in its table, ``(values,)``; −1 where it is not there."""
    atoms: Integers | None
    """Index of each value's atom in its crystal, ``(values,)``; None: values are of crystals."""
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
    """Number of crystals."""
    values: int
    """Number of values."""
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
        baseline: Absolute errors of predicting the mean, ``(values,)``, in the label's unit, where
            they are known.
    """
    indices = values.indices if info.per_atom else None
    wrong = np.where(values.labels == values.predictions, 0.0, 100.0)
    return Losses(
        title="Predicted wrong" if info.is_class else "Mean absolute error",
        short="Wrong" if info.is_class else "MAE",
        unit="%" if info.is_class else info.unit,
        values=wrong if info.is_class else np.abs(values.errors),
        baseline=None if info.is_class else baseline,
        crystals=table.find(values.ids),
        # The file numbers the values of a crystal: width · atom + component.
        atoms=None if indices is None else indices // info.width,
        independent=values.one_per_crystal,
    )


def by_system(losses: Losses, table: CrystalTable) -> list[Group]:
    """Return the errors of each crystal system that occurs, in the systems' order.

    Args:
        losses: How wrong each value is.
        table: Says which space group each crystal has.

    Returns:
        The systems that have a value, and ``none found`` last; empty where none is known.
    """
    first_groups = np.array(list(FIRST_SPACE_GROUPS.values()))
    space_groups = np.where(losses.crystals >= 0, table.space_groups[losses.crystals], -1)
    # Space groups are numbered by crystal system, so that a system is a range of numbers.
    systems = np.searchsorted(first_groups, space_groups, side="right") - 1
    members: dict[str, NDArray[np.bool_]] = {
        name: (systems == index) & (space_groups > 0)
        for index, name in enumerate(FIRST_SPACE_GROUPS)
    }
    members[_NO_SYSTEM] = space_groups == 0
    return [_group(losses, name, chosen) for name, chosen in members.items() if chosen.any()]


def by_element(losses: Losses, table: CrystalTable) -> dict[int, Group]:
    """Return the errors of each element by atomic number, ascending.

    They are those of the element's atoms where values are per atom, and of the crystals that
    contain it elsewhere.

    Args:
        losses: How wrong each value is.
        table: Says which atoms each crystal has.
    """
    rows, atomic_numbers = _values_of_elements(losses, table)
    order = np.argsort(atomic_numbers, kind="stable")
    rows, atomic_numbers = rows[order], atomic_numbers[order]
    elements, starts = np.unique(atomic_numbers, return_index=True)
    blocks = np.split(rows, starts[1:]) if len(elements) else []
    return {
        element: _group(losses, str(element), block)
        for element, block in zip(elements.tolist(), blocks, strict=True)
    }


def _values_of_elements(losses: Losses, table: CrystalTable) -> tuple[Integers, Integers]:
    """Return pairs of a value's row and an element that it counts for."""
    if losses.atoms is not None:
        atomic_numbers = table.species(losses.crystals, losses.atoms)
        rows = np.flatnonzero(atomic_numbers)
        return rows, atomic_numbers[rows]
    # The contents are sorted by crystal, so that those of one crystal are a run whose ends are
    # found by bisection; each value is repeated once for each element of its crystal.
    crystals, elements = table.contents
    starts = np.searchsorted(crystals, losses.crystals, side="left")
    counts = np.searchsorted(crystals, losses.crystals, side="right") - starts
    rows = np.repeat(np.arange(len(losses.values)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, elements[np.repeat(starts, counts) + within]


def _group(losses: Losses, name: str, chosen: NDArray[np.bool_] | Integers) -> Group:
    values = losses.values[chosen]
    # A handful of crystals that are all wrong has no deviation, but is not therefore certain.
    varied = losses.independent and len(values) > 1 and bool(values.std())
    return Group(
        name=name,
        crystals=len(np.unique(losses.crystals[chosen])),
        values=len(values),
        error=float(values.mean()),
        standard_error=float(values.std(ddof=1) / len(values) ** 0.5) if varied else None,
        baseline=None if losses.baseline is None else float(losses.baseline[chosen].mean()),
    )


def system_table(losses: Losses, table: CrystalTable) -> Table | None:
    """Return the table of errors by crystal system; None where no system is known.

    Args:
        losses: How wrong each value is.
        table: Says which space group each crystal has.
    """
    groups = by_system(losses, table)
    if not groups:
        return None
    optional = {
        "Its standard error": [group.standard_error for group in groups],
        "Predicting the mean": [group.baseline for group in groups],
    }
    shown = {
        name: numbers
        for name, numbers in optional.items()
        if any(value is not None for value in numbers)
    }
    counts = ["Crystals"] if losses.independent else ["Crystals", "Values"]
    rows = []
    for index, group in enumerate(groups):
        sizes = [group.crystals, group.values][: len(counts)]
        numbers = [group.error, *(column[index] for column in shown.values())]
        row = [group.name.capitalize(), *(f"{size:,}" for size in sizes), *map(number, numbers)]
        rows.append(row)
    largest = max(group.error for group in groups) or 1.0
    return Table(
        caption=f"{losses.title} by crystal system",
        columns=["Crystal system", *counts, with_unit(losses.short, losses.unit), *shown],
        rows=rows,
        note=_note(losses, table, groups),
        bars=[group.error / largest for group in groups],
    )


def _note(losses: Losses, table: CrystalTable, groups: list[Group]) -> str:
    """Say where the space groups come from, and of how many crystals they are known."""
    sentences = ["Space groups are those that the data state."]
    if table.searched:
        sentences = [f"Space groups were searched for with a tolerance of {SYMPREC:g} Å."]
    tested = np.unique(losses.crystals[losses.crystals >= 0])
    looked = int((table.space_groups[tested] >= 0).sum())
    if looked < len(tested):
        sentences.append(
            f"They are known for an even sample of {looked:,} of the {len(tested):,} crystals."
        )
    if losses.independent and any(group.standard_error is None for group in groups):
        sentences.append(
            f"{ABSENT}: one crystal, or errors that are all the same, have no standard error."
        )
    return " ".join(sentences)
