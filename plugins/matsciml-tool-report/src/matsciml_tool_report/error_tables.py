"""Errors of a target in numbers: facts, errors of each component, and the worst crystals by id."""

from __future__ import annotations

import numpy as np

from matsciml_tool_report.error_summary import ErrorSummary, by_component, largest_errors
from matsciml_tool_report.run_targets import Target
from matsciml_util_pages.numbers import UNITLESS, counted, number, quantity, with_unit
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Fact, Table, facts

MOST_COMPONENTS = 27
"""Numbers of a vector, matrix or tensor whose errors are told apart; a grid has too many."""


def error_facts(values: Predictions, summary: ErrorSummary, unit: str) -> list[Fact]:
    """Return the errors of a target in numbers.

    Args:
        values: At least one label and prediction.
        summary: Their errors.
        unit: Their unit.
    """
    return facts(
        ("Values compared", counted(len(values.labels), values.noun)),
        ("Predictions that are no finite number, left out", values.not_finite or None),
        ("Mean absolute error", quantity(float(np.abs(values.errors).mean()), unit)),
        ("Its standard error", quantity(summary.standard_error, unit)),
        ("Mean error (bias)", quantity(summary.bias, unit, signed=True)),
        ("Half of the errors are at most", quantity(summary.half, unit)),
        ("90\u00a0% of the errors are at most", quantity(summary.nine_tenths, unit)),
        ("Largest error", quantity(summary.largest, unit)),
    )


def component_table(target: Target, values: Predictions) -> Table | None:
    """Return the errors of each component; None where the label is one number, or has very many.

    Args:
        target: The target.
        values: At least one label and prediction.
    """
    if not 1 < target.info.width <= MOST_COMPONENTS:
        return None
    components = by_component(values, target.info.components)
    if not components:
        return None
    suffix = "" if target.unit in UNITLESS else f", {target.unit}"
    return Table(
        caption=f"Errors of each component of {target.title}",
        columns=[
            "Component",
            f"Mean absolute error{suffix}",
            f"Root mean square error{suffix}",
            f"Mean error{suffix}",
            f"Mean absolute label{suffix}",
        ],
        rows=[
            [
                component.name,
                number(component.mae),
                number(component.rmse),
                number(component.bias, signed=True),
                number(component.label),
            ]
            for component in components
        ],
        note="The mean absolute label is the error of predicting zero.",
    )


def worst_table(values: Predictions, unit: str) -> Table:
    """Return the crystals with the largest errors, of which nothing but the id is known.

    Args:
        values: At least one label and prediction.
        unit: Their unit.
    """
    # Signed, because a table of errors that are all positive tells of a shift.
    rows = [
        [value.id, number(value.label), number(value.prediction), number(value.error, signed=True)]
        for value in largest_errors(values)
    ]
    crystals = "The crystal" if len(rows) == 1 else f"The {len(rows)} crystals"
    return Table(
        caption=f"{crystals} of the test set with the largest errors",
        columns=["Crystal", *(with_unit(name, unit) for name in ("Label", "Prediction", "Error"))],
        rows=rows,
        note="Error is prediction minus label."
        if values.one_per_crystal
        else "Error is prediction minus label; of each crystal, the worst of its values.",
        identifiers=True,
    )
