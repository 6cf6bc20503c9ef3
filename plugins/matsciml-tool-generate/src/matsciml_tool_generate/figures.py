"""Figures: how densities, numbers of elements and energies are distributed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number
from matsciml_util_pages.plots import (
    Plot,
    few_ticks,
    legend_above,
    with_unit,
)

_BINS = 30


def distribution(
    title: str, unit: str, generated: Sequence[float], reference: Sequence[float]
) -> Plot:
    """Draw a histogram of the generated crystals over that of the reference.

    Args:
        title: What is distributed.
        unit: Its unit.
        generated: At least one value.
        reference: At least one value.
    """
    pooled = np.array([*generated, *reference])
    low, high = np.quantile(pooled, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for values, name, colour, fill in (
            (reference, "reference", svg.BASELINE, True),
            (generated, "generated", svg.MODEL, False),
        ):
            heights = np.histogram(values, edges)[0] / len(values) * 100
            axes.stairs(
                heights,
                edges,
                fill=fill,
                color=colour,
                alpha=0.45 if fill else 1.0,
                linewidth=1.8,
                label=name,
            )
        legend_above(axes)
        few_ticks(axes.xaxis, 5)
        few_ticks(axes.yaxis, 5)
        axes.set_xlabel(with_unit(title, unit))
        axes.set_ylabel("Share of crystals (%)")
        words = (
            f"{counted(len(generated), 'generated crystal')}, median "
            f"{number(float(np.median(generated)))}; {counted(len(reference), 'crystal')} of the "
            f"reference, median {number(float(np.median(reference)))}. The central 99\u00a0% are "
            "shown."
        )
        markup = svg.to_svg(figure, f"Histogram: {title}. {words}")
    return Plot(title, markup, words)


def counts(title: str, generated: Sequence[int], reference: Sequence[int]) -> Plot:
    """Draw how often each whole number occurs, side by side.

    Args:
        title: What is counted.
        generated: At least one value.
        reference: At least one value.
    """
    places = np.arange(min(*generated, *reference), max(*generated, *reference) + 1)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for values, name, colour, offset in (
            (reference, "reference", svg.BASELINE, -0.2),
            (generated, "generated", svg.MODEL, 0.2),
        ):
            found = Counter(values)
            heights = [100 * found[place] / len(values) for place in places.tolist()]
            axes.bar(places + offset, heights, width=0.38, color=colour, label=name)
        legend_above(axes)
        few_ticks(axes.xaxis, 8, whole=True)
        few_ticks(axes.yaxis, 5)
        axes.set_xlabel(title)
        axes.set_ylabel("Share of crystals (%)")
        most = Counter(generated).most_common(1)[0][0]
        usual = Counter(reference).most_common(1)[0][0]
        words = f"Most generated crystals have {most}, most of the reference {usual}."
        markup = svg.to_svg(figure, f"Bars: {title}. {words}")
    return Plot(title, markup, words)
