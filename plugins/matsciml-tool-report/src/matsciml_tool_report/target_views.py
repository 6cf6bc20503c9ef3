"""What a run says about each of its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matsciml_core.training.run_folder import METRICS, PREDICTIONS
from matsciml_tool_report import classes, error_summary, figures, matrices
from matsciml_tool_report.breakdown import Breakdown, break_down
from matsciml_tool_report.crystals import KnownCrystals
from matsciml_tool_report.curves import Curve, CurvePlot, Level, learning_curve
from matsciml_tool_report.targets import Target
from matsciml_util_pages.metrics import (
    comparison,
    metric_info,
    metric_names,
    predictor,
)
from matsciml_util_pages.numbers import (
    ABSENT,
    UNITLESS,
    counted,
    number,
    quantity,
)
from matsciml_util_pages.plots import Absent, Plot
from matsciml_util_pages.run_files import Numbers, Predictions, RunFiles
from matsciml_util_pages.views import Bar, Fact, Table, facts

MOST_COMPONENTS = 27
"""Components that have a line each in a table of errors; a density of states has too many."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The one number of a target, beside what baselines reach."""

    value: str
    unit: str
    caption: str
    comparison: str
    bars: Sequence[Bar]


@dataclass(frozen=True, kw_only=True)
class TargetView:
    """What the page shows about a target."""

    target: Target
    headline: Headline | None
    table: Table | None
    curve: Plot | Absent
    drawings: Sequence[Plot | Absent]
    facts: Sequence[Fact]
    worst: Table | None
    """The crystals with the largest errors, where nothing more than their ids is known."""
    crystals: Breakdown | None
    """Errors told apart by what the crystals are; None where there are no predictions."""
    tables: Sequence[Table] = ()


def view(run: RunFiles, target: Target, known: KnownCrystals) -> TargetView:
    """Prepare everything the page shows about a target.

    Args:
        run: The run.
        target: The target.
        known: What is known about the crystals it was tested on.
    """
    values = run.predictions.get(target.key)
    usable = values if values is not None and len(values.labels) else None
    is_class = target.is_class
    summary = error_summary.summarise(usable) if usable and not is_class else None
    confusion = classes.confusion(usable, target.info.num_classes) if usable and is_class else None
    baseline = (
        error_summary.mean_errors(usable, target.constants, target.baselines)
        if usable and summary
        else None
    )
    found = break_down(target, usable, known, baseline) if usable else None
    listed = summary is not None and not (found and found.worst)
    return TargetView(
        target=target,
        headline=headline(target, values),
        table=metrics_table(target) if target.metrics else None,
        curve=_curve(run, target),
        drawings=_class_drawings(run, target, values, confusion)
        if is_class
        else _drawings(run, target, values, summary, baseline),
        facts=_facts(target, usable, summary),
        worst=_worst_table(usable, target.unit) if usable and listed else None,
        crystals=found,
        tables=_more_tables(target, usable, confusion),
    )


def _facts(
    target: Target, values: Predictions | None, summary: error_summary.ErrorSummary | None
) -> Sequence[Fact]:
    if values is None:
        return []
    return _error_facts(values, summary, target.unit) if summary else classes.class_facts(values)


def _more_tables(
    target: Target, values: Predictions | None, confusion: classes.Confusion | None
) -> list[Table]:
    """Return classes, or errors by component, where the label has either."""
    if confusion is not None:
        return [classes.class_table(confusion)]
    if values is None or not 1 < target.info.width <= MOST_COMPONENTS:
        return []
    found = error_summary.by_component(values, target.info.components)
    return [_component_table(target, found)] if found else []


def _component_table(target: Target, found: Sequence[error_summary.ComponentErrors]) -> Table:
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
                one.name,
                number(one.mae),
                number(one.rmse),
                number(one.bias, signed=True),
                number(one.label),
            ]
            for one in found
        ],
        note="The mean absolute label is the error of predicting zero.",
    )


def headline(target: Target, values: Predictions | None) -> Headline | None:
    """Return the headline of a target; None where it has no metric.

    Args:
        target: The target.
        values: Its test set, where there is a file of it.
    """
    if target.metric is None:
        return None
    info = metric_info(target.metric)
    value = target.metrics[target.metric]
    text = ""
    if target.baseline is not None:
        reference = target.baselines[target.baseline].get(target.metric)
        text = comparison(target.metric, value, target.baseline, reference, target.unit)
    return Headline(
        value=number(value),
        unit="" if number(value) == ABSENT else info.unit(target.unit),
        caption=f"{info.title}{_sample(target, values)}",
        comparison=text,
        bars=_bars(target, target.metric),
    )


def _sample(target: Target, values: Predictions | None) -> str:
    """Say what the headline was measured on, for example `` on 632 test crystals``."""
    if values is not None:
        return f" on {counted(len(values.labels) + values.not_finite, f'test {values.noun}')}"
    count = target.metrics.get("count")
    return f" on {counted(count, 'test value')}" if isinstance(count, int) else ""


def metrics_table(target: Target) -> Table:
    """Set the model's metrics beside those of baselines."""
    columns = {"Model": target.metrics}
    columns |= {_capital(predictor(name)): found for name, found in target.baselines.items()}
    if target.validation:
        columns["Model, validation set"] = target.validation
    names = metric_names(target.metrics)
    meanings = [
        f"{metric_info(name).short}: {metric_info(name).meaning}."
        for name in names
        if metric_info(name).meaning
    ]
    return Table(
        caption=f"Metrics of {target.title} on the test set of {target.dataset}",
        columns=["Metric", *columns],
        rows=[_metric_row(name, target, columns.values()) for name in names],
        note=" ".join(meanings),
        strong=1,
    )


def _metric_row(name: str, target: Target, columns: Any) -> list[str]:
    info = metric_info(name)
    unit = info.unit(target.unit)
    short = "" if info.short.lower() == info.title.lower() else f" ({info.short})"
    title = f"{info.title}{short}, {unit}" if unit else f"{info.title}{short}"
    return [title, *(number(found.get(name)) for found in columns)]


def _bars(target: Target, metric: str) -> list[Bar]:
    """Return the model's bar and one for each baseline, the longest being 1."""
    values = {"Model": target.metrics.get(metric)}
    for name, found in target.baselines.items():
        values[_capital(predictor(name))] = found.get(metric)
    known = {name: value for name, value in values.items() if isinstance(value, int | float)}
    longest = max((abs(value) for value in known.values()), default=0.0) or 1.0
    info = metric_info(metric)
    return [
        Bar(name, info.quantity(value, target.unit), abs(value) / longest, name == "Model")
        for name, value in known.items()
    ]


def _curve(run: RunFiles, target: Target) -> Plot | Absent:
    if METRICS in run.problems:
        return Absent(run.problems[METRICS])
    metric = target.metric or "mae"
    info = metric_info(metric)
    title = f"Validation {info.short}"
    values = run.history.get(f"validation/{target.key}/{metric}")
    if values is None:
        return Absent(f"{title}: {METRICS} has no column for it.")
    plot = CurvePlot(
        title=title,
        subject=target.title if len(run.part("metrics", "test")) > 1 else "",
        unit=info.unit(target.unit),
        epochs=run.epochs,
        curves=[Curve("model", values)],
        best_epoch=run.best_epoch,
        level=_validation_level(target, metric),
    )
    return learning_curve(plot)


def _validation_level(target: Target, metric: str) -> Level | None:
    """Return what the baseline reaches on the validation set.

    The run records baselines on the test set only, but skill is 1 − MAE / MAE of
    predict-the-mean on the same set, so that the validation set's can be had from it.
    """
    mae, skill = target.validation.get("mae"), target.validation.get("skill")
    if metric == "mae" and mae and isinstance(skill, float) and skill != 1.0:
        return Level(predictor(target.baseline or "mean"), mae / (1.0 - skill))
    if target.baseline is None:
        return None
    value = target.baselines[target.baseline].get(metric)
    if not isinstance(value, int | float):
        return None
    return Level(f"{predictor(target.baseline)} (test set)", value)


def _drawings(
    run: RunFiles,
    target: Target,
    values: Predictions | None,
    summary: error_summary.ErrorSummary | None,
    baseline: Numbers | None,
) -> list[Plot | Absent]:
    """Return the figures of a label that is a number; of a structure there is none."""
    if target.info.kind == "structure":
        return []
    if values is None or summary is None:
        return [Absent(_why_no_predictions(run, target, values))]
    unit = target.unit
    return [
        figures.parity(values, summary, target.title, unit),
        figures.error_histogram(values, summary, unit),
        figures.error_shares(values, baseline, unit),
    ]


def _class_drawings(
    run: RunFiles,
    target: Target,
    values: Predictions | None,
    confusion: classes.Confusion | None,
) -> list[Plot | Absent]:
    """Return the figures of a label that is a class."""
    if confusion is None:
        return [Absent(_why_no_predictions(run, target, values))]
    return [matrices.confusion_matrix(confusion)]


def _why_no_predictions(run: RunFiles, target: Target, values: Predictions | None) -> str:
    if PREDICTIONS in run.problems:
        return run.problems[PREDICTIONS]
    if values is None:
        return f"{PREDICTIONS} has no row for {target.key}."
    return f"None of the {counted(values.not_finite, 'prediction')} is a finite number."


def _error_facts(values: Predictions, summary: error_summary.ErrorSummary, unit: str) -> list[Fact]:
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


def _worst_table(values: Predictions, unit: str) -> Table:
    rows = [
        [item.id, number(item.label), number(item.prediction), number(item.error, signed=True)]
        for item in error_summary.worst(values)
    ]
    suffix = "" if unit in UNITLESS else f" ({unit})"
    many = "The crystal" if len(rows) == 1 else f"The {len(rows)} crystals"
    return Table(
        caption=f"{many} of the test set with the largest errors",
        columns=["Crystal", f"Label{suffix}", f"Prediction{suffix}", f"Error{suffix}"],
        rows=rows,
        note="Error is prediction minus label."
        if values.one_per_crystal
        else "Error is prediction minus label; of each crystal, the worst of its values.",
        identifiers=True,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
