"""Learning curves: what was measured after each epoch. Each carries its content in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from matsciml_util_pages import svg
from matsciml_util_pages.numbers import quantity, with_unit
from matsciml_util_pages.plots import Plot, few_ticks, legend_above, plain_log
from matsciml_util_pages.run_files import Numbers
from matsciml_util_pages.views import Absent

SQUEEZED = 20.0
"""A curve whose largest value is this many times its median gets a logarithmic axis: a linear one
would squeeze half of it into a twentieth of the height."""
_MOST_DOTS = 30
"""Longer curves are drawn without a dot for each epoch."""


@dataclass(frozen=True)
class Curve:
    """One line."""

    name: str
    values: Numbers
    """``(epochs,)``, NaN where it was not measured."""
    colour: str = svg.MODEL

    @property
    def measured(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """At which epochs it was measured, ``(epochs,)``."""
        return np.isfinite(self.values)


@dataclass(frozen=True)
class Level:
    """A constant to compare a curve with."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class CurvePlot:
    """What a figure of curves shows."""

    title: str
    """What was measured; also written along the axis."""
    subject: str = ""
    """Of what it was measured, where the page could mean several."""
    unit: str = ""
    epochs: Numbers
    """``(epochs,)``, counted from 1."""
    curves: Sequence[Curve]
    best_epoch: int | None = None
    """The epoch whose weights were tested; gets a ring."""
    level: Level | None = None

    @property
    def heading(self) -> str:
        """What the figure shows."""
        return f"{self.title}, {self.subject}" if self.subject else self.title

    def describe(self, curve: Curve) -> str:
        """Return a curve in words: where it starts, where it ends, and its lowest value."""
        epochs = np.flatnonzero(curve.measured)
        start, end, least = epochs[0], epochs[-1], epochs[np.argmin(curve.values[epochs])]

        def at(epoch: int, word: str) -> str:
            value = quantity(float(curve.values[epoch]), self.unit)
            return f"{value} {word} epoch {self.epochs[epoch]:.0f}"

        name = f"{curve.name[:1].upper()}{curve.name[1:]}"
        text = f"{name}: {at(start, 'after')}, {at(end, 'after')}"
        return f"{text}." if least in (start, end) else f"{text}; lowest {at(least, 'in')}."


def learning_curve(plot: CurvePlot) -> Plot | Absent:
    """Plot quantities against the epoch.

    Args:
        plot: What to show.

    Returns:
        The figure, or why there is none: a curve needs two epochs.
    """
    # One point is no curve, and its axis would have no extent.
    curves = [curve for curve in plot.curves if curve.measured.sum() > 1]
    if not curves:
        return Absent(f"{plot.heading}: a curve needs at least two epochs with a value.")
    words = " ".join(plot.describe(curve) for curve in curves)
    if plot.level is not None:
        value = quantity(plot.level.value, plot.unit)
        words += f" Dashed: {plot.level.name}, {value}."
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for curve in curves:
            _plot(axes, plot, curve)
        if plot.level is not None:
            axes.axhline(
                plot.level.value,
                color=svg.BASELINE,
                linestyle=svg.DASHED,
                linewidth=1.5,
                label=plot.level.name,
            )
        if len(curves) > 1 or plot.level is not None:
            legend_above(axes)
        _scale(axes, plot, curves)
        markup = svg.to_svg(figure, f"{plot.heading}, by epoch. {words}")
    return Plot(plot.heading, markup, words)


def _plot(axes: Axes, plot: CurvePlot, curve: Curve) -> None:
    measured = curve.measured
    axes.plot(
        plot.epochs[measured],
        curve.values[measured],
        marker="o" if measured.sum() <= _MOST_DOTS else "",
        markersize=3.5,
        color=curve.colour,
        label=curve.name,
    )
    # No ring where the best epoch has no value, or is not known.
    best = measured & (plot.epochs == plot.best_epoch)
    axes.plot(
        plot.epochs[best],
        curve.values[best],
        "o",
        color=curve.colour,
        markersize=9,
        markerfacecolor="none",
        markeredgewidth=1.6,
    )


def _scale(axes: Axes, plot: CurvePlot, curves: Sequence[Curve]) -> None:
    """Label the axes, and choose between a linear and a logarithmic one."""
    few_ticks(axes.xaxis, 7, whole=True)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(with_unit(plot.title, plot.unit))
    values = np.concatenate([curve.values[curve.measured] for curve in curves])
    highest = max(float(values.max()), plot.level.value if plot.level else -np.inf)
    if values.min() > 0 and highest > SQUEEZED * np.median(values):
        axes.set_yscale("log")
        plain_log(axes.yaxis)
    else:
        few_ticks(axes.yaxis, 6)
        if values.min() >= 0:
            # From zero on, so that half the error is half as high; 6 % leave room for the ring.
            axes.set_ylim(0, 1.06 * highest or 1.0)
