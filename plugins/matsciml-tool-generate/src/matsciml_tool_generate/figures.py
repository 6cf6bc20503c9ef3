"""Figures: the distributions of densities, numbers of elements and atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, with_unit
from matsciml_util_pages.plots import Plot, few_ticks, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 30


def distribution(
    title: str, unit: str, generated: Sequence[float], reference: Sequence[float]
) -> Plot:
    """Plot a histogram of the generated crystals over that of the reference.

    Args:
        title: Name of the quantity.
        unit: Its unit.
        generated: At least one value.
        reference: At least one value.
    """
    # One extreme cell would squeeze all others into one bin.
    low, high = np.quantile([*generated, *reference], [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for values, name, colour, fill in (
            (reference, "reference", svg.BASELINE, True),
            (generated, "generated", svg.MODEL, False),
        ):
            axes.stairs(
                # Per cent, since the two sets have different sizes.
                np.histogram(values, edges)[0] / len(values) * 100,
                edges,
                fill=fill,
                color=colour,
                alpha=0.45 if fill else 1.0,
                linewidth=1.8,
                label=name,
            )
        _label(axes, with_unit(title, unit))
        words = (
            f"{counted(len(generated), 'generated crystal')}, median "
            f"{number(float(np.median(generated)))}; {counted(len(reference), 'crystal')} of the "
            f"reference, median {number(float(np.median(reference)))}. The central 99\u00a0% are "
            "shown."
        )
        markup = svg.to_svg(figure, f"Histogram: {title}. {words}")
    return Plot(title, markup, words)


def counts(title: str, generated: Sequence[int], reference: Sequence[int]) -> Plot:
    """Plot how often each whole number occurs, side by side.

    Args:
        title: Name of the quantity.
        generated: At least one value.
        reference: At least one value.
    """
    numbers = np.arange(min(*generated, *reference), max(*generated, *reference) + 1)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for values, name, colour, offset in (
            (reference, "reference", svg.BASELINE, -0.2),
            (generated, "generated", svg.MODEL, 0.2),
        ):
            occurrences = Counter(values)
            heights = [100 * occurrences[k] / len(values) for k in numbers.tolist()]
            axes.bar(numbers + offset, heights, width=0.38, color=colour, label=name)
        _label(axes, title, whole=True)
        most = Counter(generated).most_common(1)[0][0]
        usual = Counter(reference).most_common(1)[0][0]
        words = f"Most generated crystals have {most}, most of the reference {usual}."
        markup = svg.to_svg(figure, f"Bars: {title}. {words}")
    return Plot(title, markup, words)


def _label(axes: Axes, quantity: str, *, whole: bool = False) -> None:
    legend_above(axes)
    few_ticks(axes.xaxis, 8 if whole else 5, whole=whole)
    few_ticks(axes.yaxis, 5)
    axes.set_xlabel(quantity)
    axes.set_ylabel("Share of crystals (%)")
