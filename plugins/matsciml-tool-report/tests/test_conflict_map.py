"""Conflict between the gradients of two tasks, as a figure and in words."""

from __future__ import annotations

import numpy as np

from matsciml_core.training.gradient_angles import GradientAngles
from matsciml_tool_report.heat_maps import conflict_map
from matsciml_util_pages.plots import Plot
from matsciml_util_pages.views import Absent


def angles(cosine, steps=None):
    grid = np.array(cosine, dtype=np.float64)
    steps = np.arange(grid.shape[1]) if steps is None else np.array(steps)
    layers = (*(f"blocks.{k}" for k in range(len(grid) - 1)), "all")
    return GradientAngles(
        task="mp/band_gap", other="mp/is_stable", steps=steps, layers=layers, cosine=grid
    )


def test_in_words():
    drawing = conflict_map(angles([[0.5, 0.5, -0.5, 1.0], [0.4, -0.2, -0.2, 0.4]]))
    assert isinstance(drawing, Plot)
    assert drawing.title == "band gap against is stable"
    words = drawing.caption.replace("\u00a0", " ")
    assert "below zero) in 50.0 % of 4 recorded steps; the mean cosine is +0.100." in words
    assert "cosine-7" in drawing.svg


def test_missing_gradients_are_left_out():
    drawing = conflict_map(angles([[np.nan, 0.5], [np.nan, -0.5]]))
    assert isinstance(drawing, Plot)
    assert "100" in drawing.caption
    assert isinstance(conflict_map(angles([[np.nan], [np.nan]])), Absent)


def test_one_step_and_thousands():
    assert isinstance(conflict_map(angles([[0.1], [0.1]])), Plot)
    many = np.sin(np.arange(3000.0))[None].repeat(3, axis=0)
    drawing = conflict_map(angles(many, 10 * np.arange(3000)))
    assert isinstance(drawing, Plot)
    assert len(drawing.svg) < 60_000
