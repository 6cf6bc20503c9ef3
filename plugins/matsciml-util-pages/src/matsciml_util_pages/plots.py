"""What every figure of the report shares: the record it becomes, and its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from matsciml_util_pages.numbers import UNITLESS, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


@dataclass(frozen=True)
class Plot:
    """A figure ready for the page."""

    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True)
class Absent:
    """A figure that cannot be drawn, and why."""

    reason: str


def few_ticks(axis: Axis, most: int, *, whole: bool = False) -> None:
    """Put at most so many ticks on a linear axis.

    Args:
        axis: The axis.
        most: Largest number of intervals between ticks.
        whole: Whether ticks stand at whole numbers only.
    """
    from matplotlib.ticker import MaxNLocator, ScalarFormatter  # noqa: PLC0415 - lazy

    axis.set_major_locator(MaxNLocator(most, integer=whole, min_n_ticks=1 if whole else 2))
    axis.set_major_formatter(ScalarFormatter(useOffset=False, useMathText=False))


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis without mathematical markup, which the SVG would not carry."""
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - lazy

    axis.set_major_locator(LogLocator(10, subs=(1.0, 3.0), numticks=12))
    axis.set_major_formatter(_log_tick)
    axis.set_minor_formatter(NullFormatter())


def legend_above(axes: Axes) -> None:
    """Put the legend on one line above the axes, where no curve can run into it."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.1)


def with_unit(name: str, unit: str) -> str:
    """Return an axis label."""
    return name if unit in UNITLESS else f"{name} ({unit})"


def _log_tick(value: float, _: float) -> str:
    return f"{value:,.6g}" if 1e-4 <= value < 1e5 else number(value)
