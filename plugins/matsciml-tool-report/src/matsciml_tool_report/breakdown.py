"""What the page says about the crystals of a target: errors told apart, and the worst of them."""

from __future__ import annotations

from dataclasses import dataclass

from matsciml_core.training.run_folder import TESTED_CRYSTALS
from matsciml_tool_report.crystals import KnownCrystals
from matsciml_tool_report.elements import ElementMap, element_map
from matsciml_tool_report.groups import losses, system_table
from matsciml_tool_report.targets import Target
from matsciml_tool_report.worst import Gallery, gallery
from matsciml_util_pages.plots import Absent
from matsciml_util_pages.run_files import Numbers, Predictions
from matsciml_util_pages.views import Table


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """The errors of a target, told apart by what the crystals are."""

    systems: Table | None = None
    """Errors by crystal system."""
    elements: ElementMap | None = None
    """Errors by element."""
    worst: Gallery | None = None
    """The crystals with the largest errors."""
    absent: Absent | None = None
    """Why errors are not told apart, where that lies with this target alone."""


def break_down(
    target: Target, values: Predictions, known: KnownCrystals, baseline: Numbers | None
) -> Breakdown:
    """Tell the errors of a target apart.

    Args:
        target: The target.
        values: At least one label and prediction.
        known: What is known about the crystals.
        baseline: Absolute errors of predicting the mean, ``(values,)``, where they are known.
    """
    worst, table = gallery(target, values, known), known.tables.get(target.dataset)
    if table is None:
        reason = f"{TESTED_CRYSTALS} has no crystal of {target.dataset}."
        told = TESTED_CRYSTALS in known.problems
        return Breakdown(worst=worst, absent=None if told else Absent(reason))
    found = losses(target.info, values, table, baseline)
    systems = system_table(found, table)
    none = Absent("No space group is known, so errors are not told apart by crystal system.")
    return Breakdown(
        systems=systems,
        elements=element_map(found, table),
        worst=worst,
        absent=None if systems else none,
    )
