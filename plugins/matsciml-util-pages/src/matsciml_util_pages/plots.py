"""Plots: figures ready for a page, and axes that look alike on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from matsciml_util_pages.numbers import number
from matsciml_util_pages.views import Absent, View


@dataclass(frozen=True)
class Plot(View):
    """A figure ready for a page; it stands among :class:`Figures`."""

    template: ClassVar[str] = "matsciml_util_pages/assets/plot.html.j2"

    title: str
    svg: Markup
    """What :func:`matsciml_util_pages.svg.to_svg` returns."""
    caption: str
    """What the figure shows, in words and numbers."""


@dataclass(frozen=True)
class Figures(View):
    """Plots side by side, and sentences in place of those that are absent."""

    template: ClassVar[str] = "matsciml_util_pages/assets/figures.html.j2"

    plots: Sequence[Plot | Absent]


def few_ticks(axis: Axis, most: int, *, whole: bool = False) -> None:
    """Put at most so many ticks on a linear axis.

    Args:
        axis: The axis.
        most: Largest number of intervals between ticks.
        whole: Whether ticks stand at whole numbers only.
    """
    axis.set_major_locator(MaxNLocator(most, integer=whole, min_n_ticks=1 if whole else 2))
    # An offset above the axis is easily overlooked, and mathematical markup is lost in the SVG.
    axis.set_major_formatter(ScalarFormatter(useOffset=False, useMathText=False))


def label_axes(axes: Axes, x: str, y: str, *, ticks: tuple[int, int] = (5, 5)) -> None:
    """Label two linear axes, with few ticks on each.

    Args:
        axes: The axes.
        x: What the horizontal one shows, with its unit.
        y: What the vertical one shows, with its unit.
        ticks: Largest number of intervals between ticks, of each; see :func:`few_ticks`.
    """
    few_ticks(axes.xaxis, ticks[0])
    few_ticks(axes.yaxis, ticks[1])
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis without mathematical markup, which the SVG would not carry.

    Args:
        axis: The axis; everything on it has been plotted.
    """
    low, high = axis.get_view_interval()
    # Two labels a decade, 1 and 3, would run into each other on an axis of many decades; of more
    # than a dozen the locator gives none.
    subs = (1.0, 3.0) if high < 1e6 * low else (1.0,)
    axis.set_major_locator(LogLocator(10, subs=subs, numticks=12))
    axis.set_major_formatter(
        lambda value, _: f"{value:,.6g}" if 1e-4 <= value < 1e5 else number(value)
    )
    axis.set_minor_formatter(NullFormatter())


def legend_above(axes: Axes) -> None:
    """Put the legend on one line above the axes, where no curve can run into it."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.1)
