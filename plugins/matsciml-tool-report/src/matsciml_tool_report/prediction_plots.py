"""Figures of what a model predicts on the test set. Each carries its content in words."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from matsciml_tool_report.error_summary import ErrorSummary
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, percent, quantity, with_unit
from matsciml_util_pages.parity import beyond_axes, draw_parity
from matsciml_util_pages.plots import Plot, few_ticks, legend_above, plain_log
from matsciml_util_pages.run_files import Numbers, Predictions
from matsciml_util_pages.views import Absent

_MOST_BINS = 41


def parity(values: Predictions, summary: ErrorSummary, name: str, unit: str) -> Plot:
    """Plot predictions against labels; more than a few hundred points as a density.

    Args:
        values: At least one labelled value.
        summary: Its errors.
        name: The target in words.
        unit: Unit of labels and predictions.
    """
    labels, predictions, noun = values.labels, values.predictions, values.noun
    with svg.plot_settings():
        figure, hidden = draw_parity(labels, predictions, noun=noun, unit=unit)
        words = (
            f"Predicted against labelled {name} for {counted(len(labels), noun)}. Labels run from "
            f"{number(float(labels.min()))} to {quantity(float(labels.max()), unit)}, predictions "
            f"from {number(float(predictions.min()))} to "
            f"{quantity(float(predictions.max()), unit)}. Half of them are within "
            f"{quantity(summary.half, unit)} of the label, 90\u00a0% within "
            f"{quantity(summary.nine_tenths, unit)}."
        )
        markup = svg.to_svg(figure, words)
    caption = (
        f"{counted(len(labels), noun)} of the test set; a perfect model puts all of them on the "
        f"dashed line.{beyond_axes(hidden, noun)}"
    )
    return Plot("Prediction against label", markup, caption)


def error_histogram(values: Predictions, summary: ErrorSummary, unit: str) -> Plot:
    """Plot how the errors are distributed, over the central 98 %.

    Args:
        values: At least one labelled value.
        summary: Its errors.
        unit: Their unit.
    """
    # The last 2 % would take most of the axis.
    reach = float(np.quantile(np.abs(values.errors), 0.98)) or 1.0
    # An odd number, so that the middle bin has zero in its middle.
    bins = min(_MOST_BINS, 2 * round(len(values.errors) ** 0.5) + 1)
    heights, edges = np.histogram(values.errors, bins=bins, range=(-reach, reach))
    hidden = len(values.errors) - int(heights.sum())
    words = (
        f"Half of the errors are at most {quantity(summary.half, unit)}, 95\u00a0% at most "
        f"{quantity(summary.nineteen_twentieths, unit)}; their mean is "
        f"{quantity(summary.bias, unit, signed=True)}.{beyond_axes(hidden, values.noun)}"
    )
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.stairs(heights, edges, fill=True, color=svg.MODEL)
        axes.axvline(0.0, color=svg.INK, linewidth=1.0)
        few_ticks(axes.xaxis, 5)
        few_ticks(axes.yaxis, 6, whole=True)
        axes.set_xlabel(with_unit("Prediction minus label", unit))
        axes.set_ylabel(f"Number of {values.noun}s")
        markup = svg.to_svg(figure, f"Histogram of the errors around zero. {words}")
    return Plot("Distribution of errors", markup, words)


def error_shares(values: Predictions, mean_errors: Numbers | None, unit: str) -> Plot | Absent:
    """Plot the share of values whose absolute error is at most x, beside predicting the mean.

    Args:
        values: Labelled values and predictions.
        mean_errors: Absolute errors of predicting the mean, ``(values,)``, in ``unit``, where
            they are known.
        unit: Unit of the errors.

    Returns:
        The figure, or why there is none: the axis is logarithmic, so that errors must not be 0.
    """
    errors, noun = np.abs(values.errors), values.noun
    if not errors.any():
        return Absent("Share within an error: every error is exactly zero.")
    level = float(np.quantile(errors, 0.8))
    words = f"80\u00a0% of the {noun}s are within {quantity(level, unit)}"
    if mean_errors is not None:
        share = percent(float((mean_errors <= level).mean()))
        words += f"; predicting the mean brings {share} of them that close"
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        _shares(axes, errors, "model", svg.MODEL)
        if mean_errors is not None and mean_errors.any():
            _shares(axes, mean_errors, "predicting the mean", svg.BASELINE)
            legend_above(axes)
        axes.set_xscale("log")
        # A few values that are almost right would stretch the axis over many empty decades.
        axes.set_xlim(left=max(float(errors[errors > 0].min()), float(np.median(errors)) / 30))
        plain_log(axes.xaxis)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}\u00a0%")
        axes.set_ylim(0, 102)
        axes.set_xlabel(with_unit("Absolute error", unit))
        axes.set_ylabel(f"Share of {noun}s")
        markup = svg.to_svg(figure, f"Cumulative distribution of absolute errors. {words}.")
    return Plot("Share within an error", markup, f"{words}.")


def _shares(axes: Axes, errors: Numbers, name: str, colour: str) -> None:
    # 200 points of a smooth curve are enough, and keep the page small.
    shares = np.linspace(0.0, 1.0, min(len(errors), 200) + 1)
    style = svg.DASHED if colour == svg.BASELINE else "-"
    axes.plot(np.quantile(errors, shares), 100 * shares, color=colour, linestyle=style, label=name)
