"""From a matplotlib figure to SVG that stands inside the page and takes its colours from it."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Matplotlib knows fixed colours only. These stand for the page's CSS variables, so that one
# figure serves light, dark and print.
INK = "#010000"
MUTED = "#020000"
GRID = "#030000"
MODEL = "#040000"
SECOND = "#050000"
BASELINE = "#060000"
DENSITY = tuple(f"#0000{level:02x}" for level in range(1, 8))
"""From few to many."""
DIVERGING = tuple(f"#0001{level:02x}" for level in range(1, 8))
"""From −1 over 0 to 1."""

DASHED = (0, (4, 3))
"""Line style of what a model is compared with."""

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    MODEL: "--model",
    SECOND: "--second",
    BASELINE: "--baseline",
    **{colour: f"--density-{level}" for level, colour in enumerate(DENSITY, 1)},
    **{colour: f"--cosine-{level}" for level, colour in enumerate(DIVERGING, 1)},
}

_COORDINATES = ("d", "points", "transform", "x", "y")
"""Attributes that need no more than a hundredth of a unit; matplotlib writes a millionth."""

WIDTH, HEIGHT = 4.0, 3.2
"""Size of a figure, inches of 72 units: about as wide as a phone, so that text keeps its size."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "matsciml",
    "text.parse_math": False,  # a name may contain a dollar sign
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


@contextmanager
def plot_settings() -> Iterator[None]:
    """Draw in the report's style inside this context, whatever the user's own settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        # The browser writes the text, in its own fonts; matplotlib's only measure it.
        warnings.filterwarnings("ignore", ".*missing from.*font", UserWarning)
        yield


def new_axes(*, square: bool = False) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes; call it inside :func:`plot_settings`."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="none")
    axes = figure.add_subplot()
    axes.grid(visible=True)
    axes.tick_params(length=0, pad=6)
    if square:
        axes.set_box_aspect(1)
    return figure, axes


def to_svg(figure: Figure, alternative: str) -> Markup:
    """Return a figure as an inline ``<svg>`` element.

    Args:
        figure: Drawn in the sentinel colours of this module.
        alternative: The figure in words.

    Returns:
        The element, deterministic, without namespaces, fonts or style sheets of its own.
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    # Not savefig, which draws every figure twice.
    FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)  # type: ignore[no-untyped-call]
    text = stream.getvalue()
    root = ElementTree.fromstring(text)
    # Ids must be unique in the page, and the same whenever it is written again. Figures that differ
    # in nothing may share theirs: what they refer to is the same.
    _clean(root, prefix=f"p{hashlib.sha256((alternative + text).encode()).hexdigest()[:8]}")
    root.attrib = {
        "class": "plot",
        "role": "img",
        "aria-label": alternative,
        "viewBox": root.attrib["viewBox"],
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _clean(root: ElementTree.Element, prefix: str) -> None:
    """Drop namespaces and style sheets, make ids unique in the page, and name the colours."""
    for parent in list(root.iter()):
        for child in list(parent):
            # Matplotlib's style sheet would apply to the whole page.
            if child.tag.endswith(("}style", "}metadata")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            name.rpartition("}")[2]: _attribute(name.rpartition("}")[2], value, prefix)
            for name, value in element.attrib.items()
        }
    # Matplotlib names every group; ids that nothing refers to only make the page larger.
    used = {
        name
        for element in root.iter()
        for value in element.attrib.values()
        for name in re.findall(r"#([\w.-]+)", value)
    }
    for element in root.iter():
        if element.attrib.get("id") not in used:
            element.attrib.pop("id", None)


def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    value = value.replace("url(#", f"url(#{prefix}-")
    if name in _COORDINATES:
        return re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match.group()):z.2f}", value)
    if name == "style":
        # Colours that stand for no variable stay as they are.
        value = re.sub(
            r"#[0-9a-f]{6}",
            lambda match: f"var({_VARIABLES[match[0]]})" if match[0] in _VARIABLES else match[0],
            value,
        )
        # The size is chosen here, the family by the page.
        value = re.sub(r"font: (?:\d+ )?([\d.]+px)[^;]*", r"font-size: \1", value)
    return value
