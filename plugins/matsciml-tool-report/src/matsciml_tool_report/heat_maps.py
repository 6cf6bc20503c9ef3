"""Figures that are matrices: confusion of classes, and conflict between tasks."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from matsciml_core.training.gradient_angles import GradientAngles
from matsciml_tool_report.classes import Confusion
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, percent, words
from matsciml_util_pages.plots import Plot, few_ticks
from matsciml_util_pages.views import Absent

_SHADES = 3
"""Shades of a square with a number in it; darker ones would make the number hard to read."""
_MOST_COLUMNS = 60
"""Columns of a heat map over time; more steps than this are averaged."""


def confusion_matrix(confusion: Confusion) -> Plot:
    """Plot how often each class was taken for each, shaded by its share of the class's labels.

    Args:
        confusion: The counts; at least one.
    """
    names, counts = confusion.names, confusion.counts
    shares = counts / np.maximum(confusion.support, 1)[:, None]
    caption = confusion.words
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        axes.grid(visible=False)
        axes.pcolormesh(
            np.ma.masked_equal(shares, 0.0),
            cmap=ListedColormap(svg.DENSITY[:_SHADES]),
            vmin=0.0,
            vmax=1.0,
        )
        for row, column in zip(*np.nonzero(counts), strict=True):
            text = f"{counts[row, column]:,}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8)
        centres = np.arange(len(names)) + 0.5
        rotation = 90 if max(len(name) for name in names) > 3 else 0
        axes.set_xticks(centres, names, rotation=rotation, fontsize=8)
        axes.set_yticks(centres, names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("Predicted class")
        axes.set_ylabel("Class")
        markup = svg.to_svg(figure, f"Confusion matrix. {caption}")
    return Plot("Confusion matrix", markup, caption)


def conflict_map(angles: GradientAngles) -> Plot | Absent:
    """Plot the cosine between two tasks' gradients, by layer and optimiser step.

    Args:
        angles: What the run recorded for the two tasks.

    Returns:
        The figure, or why there is none.
    """
    labels = [words(key.partition("/")[2]) for key in (angles.task, angles.other)]
    title = " against ".join(labels)
    if not np.isfinite(angles.cosine).any():
        return Absent(f"{title}: at no recorded step both tasks had a gradient.")
    steps, cosine = _averaged(angles)
    caption = _conflict_in_words(angles)
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
        markup = svg.to_svg(figure, f"{title}: heat map by layer and step. {caption}")
    return Plot(title, markup, caption)


def _averaged(angles: GradientAngles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges of at most ``_MOST_COLUMNS`` columns, and the mean cosine in each."""
    steps = angles.steps.astype(np.float64)
    gap = float(np.diff(steps).min()) if len(steps) > 1 else 1.0
    blocks = np.array_split(np.arange(len(steps)), min(len(steps), _MOST_COLUMNS))
    edges = np.array([*(steps[block[0]] for block in blocks), steps[-1] + gap])
    columns = []
    for block in blocks:
        cosine = angles.cosine[:, block]  # (layers, steps of the column)
        measured = np.isfinite(cosine)
        # nanmean would warn of a layer that had no gradient in any of the steps.
        mean = np.where(measured, cosine, 0.0).sum(axis=1) / np.maximum(measured.sum(axis=1), 1)
        columns.append(np.where(measured.any(axis=1), mean, np.nan))
    return edges, np.stack(columns, axis=1)


def _conflict_in_words(angles: GradientAngles) -> str:
    # The last layer stands for all of them together.
    whole = angles.cosine[-1][np.isfinite(angles.cosine[-1])]
    if not len(whole):
        return "The two gradients were never both different from zero."
    return (
        f"Over all layers the gradients are in conflict (cosine below zero) in "
        f"{percent(float((whole < 0).mean()))} of {counted(len(whole), 'recorded step')}; the mean "
        f"cosine is {number(float(whole.mean()), signed=True)}."
    )
