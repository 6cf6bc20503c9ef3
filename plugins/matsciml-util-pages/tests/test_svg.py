"""Figures as SVG: in the colours of the page, whole without it, and the same every time."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from matsciml_util_pages import svg
from matsciml_util_pages.plots import few_ticks, legend_above, plain_log
from matsciml_util_pages.testing.documents import palettes


def curve(alternative: str = "A curve.", values: float = 1.0) -> str:
    """Return a figure of one curve with a legend."""
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.plot(np.arange(5), values * np.arange(5) ** 2, color=svg.MODEL, label="$x_{<b>")
        axes.axhline(3.0, color=svg.BASELINE, linestyle=svg.DASHED)
        legend_above(axes)
        return str(svg.to_svg(figure, alternative))


def test_it_stands_alone() -> None:
    root = ElementTree.fromstring(curve())
    assert root.attrib.keys() == {"class", "role", "aria-label", "viewBox"}
    assert root.attrib["aria-label"] == "A curve."
    tags = {element.tag for element in root.iter()}
    assert not [tag for tag in tags if "}" in tag or tag in ("style", "metadata", "script")]
    assert "http" not in curve()


def test_text_is_text() -> None:
    """Neither letters drawn as paths, nor formulas that matplotlib would typeset."""
    texts = [element.text for element in ElementTree.fromstring(curve()).iter("text")]
    assert "$x_{<b>" in texts


def test_colours_are_those_of_the_page() -> None:
    styles = " ".join(re.findall(r'style="([^"]*)"', curve()))
    assert not re.search(r"#[0-9a-f]{6}", styles)
    used = set(re.findall(r"var\((--[\w-]+)\)", styles))
    assert {"--model", "--baseline", "--ink", "--grid"} <= used
    for palette in palettes():
        assert used <= palette.keys()


def test_every_colour_of_the_library_is_on_the_page() -> None:
    for palette in palettes():
        assert set(svg._VARIABLES.values()) <= palette.keys()


def test_ids_differ_between_figures_and_are_the_same_when_drawn_again() -> None:
    ids = [set(re.findall(r'id="([^"]+)"', text)) for text in (curve(), curve(values=2.0))]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert curve() == curve()
    used = set(re.findall(r"#([\w-]+)\)?\"", curve()))
    assert used == ids[0]


def test_settings_of_the_user_make_no_difference() -> None:
    expected = curve()
    with mpl.rc_context({"font.size": 40, "svg.fonttype": "path", "axes.grid": False}):
        assert curve() == expected
        assert mpl.rcParams["font.size"] == 40


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e-5), (0.01, 300.0), (1.0, 1e12)])
def test_logarithmic_axes_are_labelled_without_markup(low: float, high: float) -> None:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.plot([0, 1], [low, high])
        axes.set_yscale("log")
        plain_log(axes.yaxis)
        few_ticks(axes.xaxis, 4, whole=True)
        root = ElementTree.fromstring(str(svg.to_svg(figure, "")))
    texts = [element.text or "" for element in root.iter("text")]
    assert len(texts) > 3
    assert not [text for text in texts if "$" in text or "mathdefault" in text]
