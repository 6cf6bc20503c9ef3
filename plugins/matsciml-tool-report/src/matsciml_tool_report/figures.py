"""Figures of what a model predicts on the test set. Each carries its content in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matsciml_tool_report.error_summary import ErrorSummary
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, percent, quantity
from matsciml_util_pages.plots import (
    Absent,
    Plot,
    few_ticks,
    legend_above,
    plain_log,
    with_unit,
)
from matsciml_util_pages.run_files import Numbers, Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MOST_POINTS = 500
"""More points than this are drawn as a density."""
_CELLS = 36
"""Hexagons along an axis of a density plot."""
_MOST_BINS = 41


def parity(values: Predictions, summary: ErrorSummary, name: str, unit: str) -> Plot:
    """Draw predictions against labels; more than a few hundred points as a density.

    Args:
        values: At least one labelled value.
        summary: Its errors.
        name: The target in words.
        unit: Unit of labels and predictions.
    """
    low, high, outside = _parity_range(values)
    many = len(values.labels) > MOST_POINTS
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        axes.plot([low, high], [low, high], color=svg.BASELINE, linestyle=svg.DASHED, linewidth=1.2)
        if many:
            _density(figure, axes, values, (low, high))
        else:
            axes.scatter(values.labels, values.predictions, s=14, color=svg.MODEL, alpha=0.55)
        axes.set(xlim=(low, high), ylim=(low, high))
        for axis in (axes.xaxis, axes.yaxis):
            few_ticks(axis, 5)
        axes.set_xlabel(with_unit("Label", unit))
        axes.set_ylabel(with_unit("Prediction", unit))
        caption = (
            f"{counted(len(values.labels), values.noun)} of the test set; a perfect model puts "
            f"all of them on the dashed line. {_outside(outside, values.noun)}"
        ).strip()
        markup = svg.to_svg(figure, _parity_in_words(values, summary, name, unit))
    return Plot("Prediction against label", markup, caption)


def error_histogram(values: Predictions, summary: ErrorSummary, unit: str) -> Plot:
    """Draw how the errors are distributed, over the central 98 %."""
    reach = float(np.quantile(np.abs(values.errors), 0.98)) or 1.0
    # An odd number, so that the middle bin has zero in its middle.
    bins = min(_MOST_BINS, 2 * round(len(values.errors) ** 0.5) + 1)
    heights, edges = np.histogram(values.errors, bins=bins, range=(-reach, reach))
    hidden = len(values.errors) - int(heights.sum())
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.stairs(heights, edges, fill=True, color=svg.MODEL)
        axes.axvline(0.0, color=svg.INK, linewidth=1.0)
        few_ticks(axes.xaxis, 5)
        few_ticks(axes.yaxis, 6, whole=True)
        axes.set_xlabel(with_unit("Prediction minus label", unit))
        axes.set_ylabel(f"Number of {values.noun}s")
        half, most = quantity(summary.half, unit), quantity(summary.nineteen_twentieths, unit)
        words = (
            f"Half of the errors are at most {half}, 95\u00a0% at most {most}; their mean is "
            f"{quantity(summary.bias, unit, signed=True)}. {_outside(hidden, values.noun)}"
        ).strip()
        markup = svg.to_svg(figure, f"Histogram of the errors around zero. {words}")
    return Plot("Distribution of errors", markup, words)


def error_shares(values: Predictions, mean_errors: Numbers | None, unit: str) -> Plot | Absent:
    """Draw the share of values whose absolute error is at most x, beside predict-the-mean's.

    Args:
        values: Labelled values and predictions.
        mean_errors: Absolute errors of predicting the mean, ``(values,)``, where known.
        unit: Unit of the errors.

    Returns:
        The figure, or why there is none: the axis is logarithmic, so that errors must not be 0.
    """
    errors = np.abs(values.errors)
    if not errors.any():
        return Absent("Share within an error: every error is exactly zero.")
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        _plot_shares(axes, errors, "model", svg.MODEL)
        if mean_errors is not None and mean_errors.any():
            _plot_shares(axes, mean_errors, "predicting the mean", svg.BASELINE)
            legend_above(axes)
        axes.set_xscale("log")
        axes.set_xlim(left=max(float(errors[errors > 0].min()), float(np.median(errors)) / 30))
        plain_log(axes.xaxis)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}\u00a0%")
        axes.set_ylim(0, 102)
        axes.set_xlabel(with_unit("Absolute error", unit))
        axes.set_ylabel(f"Share of {values.noun}s")
        words = _shares_in_words(errors, mean_errors, values.noun, unit)
        markup = svg.to_svg(figure, f"Cumulative distribution of absolute errors. {words}")
    return Plot("Share within an error", markup, words)


def _density(figure: Figure, axes: Axes, values: Predictions, limits: tuple[float, float]) -> None:
    from matplotlib.colors import ListedColormap, LogNorm  # noqa: PLC0415 - lazy

    inside = _inside(values, *limits)
    cells = axes.hexbin(
        values.labels[inside],
        values.predictions[inside],
        gridsize=(_CELLS, round(_CELLS / 3**0.5)),
        extent=(*limits, *limits),
        mincnt=1,
        cmap=ListedColormap(svg.DENSITY),
        linewidths=0.3,
    )
    most = max(float(np.asarray(cells.get_array()).max()), 2.0)
    cells.set_norm(LogNorm(1, most))
    bar = figure.colorbar(cells, ax=axes, shrink=0.86, aspect=24, pad=0.02)
    ticks = [step * 10**power for power in range(7) for step in (1, 3) if step * 10**power <= most]
    bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks], minor=False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0)
    bar.ax.spines["outline"].set_visible(False)
    bar.set_label(f"{values.noun}s per cell")


def _parity_range(values: Predictions) -> tuple[float, float, int]:
    """Return limits for both axes, and the number of points beyond them.

    A few wild predictions must not squeeze the plot: they are cut at half the labels' span.
    """
    low, high = float(values.labels.min()), float(values.labels.max())
    span = (high - low) or abs(high) or 1.0
    low = max(low - 0.5 * span, min(low, float(values.predictions.min())))
    high = min(high + 0.5 * span, max(high, float(values.predictions.max())))
    margin = 0.03 * (high - low or 1.0)
    limits = low - margin, high + margin
    return *limits, int((~_inside(values, *limits)).sum())


def _inside(values: Predictions, low: float, high: float) -> NDArray[np.bool_]:
    return (values.predictions >= low) & (values.predictions <= high)


def _plot_shares(axes: Axes, errors: Numbers, name: str, colour: str) -> None:
    shares = np.linspace(0.0, 1.0, min(len(errors), 200) + 1)
    style = svg.DASHED if colour == svg.BASELINE else "-"
    levels = np.quantile(errors, shares)
    axes.plot(levels, 100 * shares, color=colour, linestyle=style, label=name)


def _outside(hidden: int, noun: str) -> str:
    if not hidden:
        return ""
    verb = "lies" if hidden == 1 else "lie"
    return f"{counted(hidden, noun)} {verb} beyond the axes."


def _parity_in_words(values: Predictions, summary: ErrorSummary, name: str, unit: str) -> str:
    low, high = float(values.labels.min()), float(values.labels.max())
    return (
        f"Predicted against labelled {name} for {counted(len(values.labels), values.noun)}. Labels "
        f"run from {number(low)} to {quantity(high, unit)}, predictions from "
        f"{number(float(values.predictions.min()))} to "
        f"{quantity(float(values.predictions.max()), unit)}. Half of them are within "
        f"{quantity(summary.half, unit)} of the label, 90\u00a0% within "
        f"{quantity(summary.nine_tenths, unit)}."
    )


def _shares_in_words(errors: Numbers, mean_errors: Numbers | None, noun: str, unit: str) -> str:
    level = float(np.quantile(errors, 0.8))
    text = f"80\u00a0% of the {noun}s are within {quantity(level, unit)}"
    if mean_errors is None:
        return f"{text}."
    share = percent(float((mean_errors <= level).mean()))
    return f"{text}; predicting the mean brings {share} of them that close."
