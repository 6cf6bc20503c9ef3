"""The parity plot: predictions against labels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, with_unit
from matsciml_util_pages.plots import label_axes

_Numbers = NDArray[np.float64]

MOST_POINTS = 500
"""More points than this are shown as a density: dots would hide each other, and fill the page."""
_HEXAGONS = 36
"""Along an axis of a density plot."""


def draw_parity(
    labels: _Numbers, predictions: _Numbers, *, noun: str, unit: str
) -> tuple[Figure, int]:
    """Draw predictions against labels, more than a few hundred of them as a density.

    Call it inside :func:`matsciml_util_pages.svg.plot_settings`.

    Args:
        labels: ``(values,)``, in ``unit``; at least one.
        predictions: ``(values,)``, in ``unit``.
        noun: What a value is of, such as ``crystal``.
        unit: Unit of both.

    Returns:
        The figure, and how many predictions lie beyond its axes.
    """
    low, high = _limits(labels, predictions)
    shown = (predictions >= low) & (predictions <= high)
    figure, axes = svg.new_axes(square=True)
    axes.plot([low, high], [low, high], color=svg.BASELINE, linestyle=svg.DASHED, linewidth=1.2)
    if len(labels) > MOST_POINTS:
        _density(figure, axes, labels[shown], predictions[shown], (low, high), noun)
    else:
        axes.scatter(labels, predictions, s=14, color=svg.MODEL, alpha=0.55)
    axes.set(xlim=(low, high), ylim=(low, high))
    label_axes(axes, with_unit("Label", unit), with_unit("Prediction", unit))
    return figure, int((~shown).sum())


def beyond_axes(hidden: int, noun: str) -> str:
    """Return a sentence about the values that the axes of a plot leave out, after a space.

    Args:
        hidden: How many there are; of none there is nothing to say.
        noun: What is counted.
    """
    if not hidden:
        return ""
    return f" {counted(hidden, noun)} {'lies' if hidden == 1 else 'lie'} beyond the axes."


def _limits(labels: _Numbers, predictions: _Numbers) -> tuple[float, float]:
    """Return limits for both axes.

    A few wild predictions must not squeeze the plot: they are cut at half the labels' span.
    """
    low, high = float(labels.min()), float(labels.max())
    span = (high - low) or abs(high) or 1.0
    low = max(low - 0.5 * span, min(low, float(predictions.min())))
    high = min(high + 0.5 * span, max(high, float(predictions.max())))
    margin = 0.03 * (high - low or 1.0)
    return low - margin, high + margin


def _density(
    figure: Figure,
    axes: Axes,
    labels: _Numbers,
    predictions: _Numbers,
    limits: tuple[float, float],
    noun: str,
) -> None:
    hexagons = axes.hexbin(
        labels,
        predictions,
        # So many rows that the hexagons are regular.
        gridsize=(_HEXAGONS, round(_HEXAGONS / 3**0.5)),
        extent=(*limits, *limits),
        mincnt=1,
        cmap=ListedColormap(svg.DENSITY),
        linewidths=0.3,
    )
    most = max(float(np.asarray(hexagons.get_array()).max()), 2.0)
    hexagons.set_norm(LogNorm(1, most))
    bar = figure.colorbar(hexagons, ax=axes, shrink=0.86, aspect=24, pad=0.02)
    ticks = [step * 10**power for power in range(7) for step in (1, 3) if step * 10**power <= most]
    bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks], minor=False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0)
    bar.ax.spines["outline"].set_visible(False)
    bar.set_label(f"{noun}s per cell")
