"""Figures that are matrices: confusion of classes, and conflict between tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matsciml_core.training.gradient_angles import GradientAngles
from matsciml_tool_report.classes import Confusion
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, percent, words
from matsciml_util_pages.plots import Absent, Plot, few_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADES = 3
"""Shades of a cell with a number in it; darker ones would make the number hard to read."""
_MOST_COLUMNS = 60
"""Columns of a heat map over time; more steps than this are averaged."""


def confusion_matrix(found: Confusion) -> Plot:
    """Draw how often each class was taken for each, shaded by its share of the class's labels.

    Args:
        found: The counts; at least one.
    """
    from matplotlib.colors import ListedColormap  # noqa: PLC0415 - lazy

    shares = found.counts / np.maximum(found.support, 1)[:, None]
    size = len(found.names)
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        axes.grid(visible=False)
        axes.pcolormesh(
            np.ma.masked_equal(shares, 0.0),
            cmap=ListedColormap(svg.DENSITY[:_SHADES]),
            vmin=0.0,
            vmax=1.0,
        )
        for row, column in zip(*np.nonzero(found.counts), strict=True):
            text = f"{found.counts[row, column]:,}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8)
        _label_cells(axes, found, size)
        text = _confusion_in_words(found)
        markup = svg.to_svg(figure, f"Confusion matrix. {text}")
    return Plot("Confusion matrix", markup, text)


def _label_cells(axes: Axes, found: Confusion, size: int) -> None:
    places = np.arange(size) + 0.5
    long = max(len(name) for name in found.names) > 3
    axes.set_xticks(places, found.names, rotation=90 if long else 0, fontsize=8)
    axes.set_yticks(places, found.names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("Class")


def _confusion_in_words(found: Confusion) -> str:
    total, right = int(found.counts.sum()), int(np.trace(found.counts))
    wrong = found.counts - np.diag(np.diagonal(found.counts))
    text = (
        f"{percent(right / total)} of {counted(total, 'crystal')} are on the diagonal"
        f"{f', by {found.grouped}' if found.grouped else ''}; shades are shares of a row."
    )
    if not wrong.any():
        return text
    row, column = divmod(int(wrong.argmax()), len(found.names))
    return (
        f"{text} Most often {found.names[row]} is taken for {found.names[column]} "
        f"({int(wrong[row, column]):,} times)."
    )


def conflict_map(angles: GradientAngles) -> Plot | Absent:
    """Draw the cosine between two tasks' gradients, by layer and optimiser step.

    Args:
        angles: What the run recorded for the two tasks.

    Returns:
        The figure, or why there is none.
    """
    from matplotlib.colors import ListedColormap  # noqa: PLC0415 - lazy

    title = f"{_short(angles.task)} against {_short(angles.other)}"
    if not np.isfinite(angles.cosine).any():
        return Absent(f"{title}: at no recorded step both tasks had a gradient.")
    steps, cosine = _binned(angles)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.grid(visible=False)
        mesh = axes.pcolormesh(
            steps,
            np.arange(len(angles.layers) + 1),
            np.ma.masked_invalid(cosine),
            cmap=ListedColormap(svg.DIVERGING),
            vmin=-1.0,
            vmax=1.0,
        )
        axes.set_yticks(np.arange(len(angles.layers)) + 0.5, angles.layers, fontsize=8)
        axes.invert_yaxis()
        few_ticks(axes.xaxis, 5, whole=True)
        axes.set_xlabel("Optimiser step")
        bar = figure.colorbar(mesh, ax=axes, shrink=0.86, aspect=24, pad=0.02)
        bar.set_ticks([-1, 0, 1], labels=["−1", "0", "1"], minor=False)
        bar.ax.tick_params(length=0)
        bar.ax.spines["outline"].set_visible(False)
        bar.set_label("cosine of the gradients")
        text = _conflict_in_words(angles)
        markup = svg.to_svg(figure, f"{title}: heat map by layer and step. {text}")
    return Plot(title, markup, text)


def _binned(angles: GradientAngles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges of at most ``_MOST_COLUMNS`` columns, and the mean cosine in each."""
    steps = angles.steps.astype(np.float64)
    gap = float(np.diff(steps).min()) if len(steps) > 1 else 1.0
    parts = np.array_split(np.arange(len(steps)), min(len(steps), _MOST_COLUMNS))
    edges = np.array([*(steps[part[0]] for part in parts), steps[-1] + gap])
    columns = []
    for part in parts:
        block = angles.cosine[:, part]
        known = np.isfinite(block)
        mean = np.where(known, block, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        columns.append(np.where(known.any(axis=1), mean, np.nan))
    return edges, np.stack(columns, axis=1)


def _conflict_in_words(angles: GradientAngles) -> str:
    whole = angles.cosine[-1][np.isfinite(angles.cosine[-1])]
    if not len(whole):
        return "The two gradients were never both different from zero."
    return (
        f"Over all layers the gradients are in conflict (cosine below zero) in "
        f"{percent(float((whole < 0).mean()))} of {counted(len(whole), 'recorded step')}; the mean "
        f"cosine is {number(float(whole.mean()), signed=True)}."
    )


def _short(key: str) -> str:
    return words(key.partition("/")[2])
