"""Crystals as pictures: SVG with lines in the colours of the page and balls in the elements'."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import product

import numpy as np
import yaml
from markupsafe import Markup, escape
from numpy.typing import NDArray
from pymatgen.core.periodic_table import Element

from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import formula, symbol

MOST_ATOMS = 160
"""Atoms of a picture, those on faces of the cell drawn on both; larger cells have none."""
_SIZE, _MARGIN = 180.0, 6.0
"""Of the picture, in its own units."""
_TURN, _TILT = np.deg2rad(24.0), np.deg2rad(14.0)
"""The cell is turned about its third direction and seen from a little above."""
_BALL = 0.42
"""Radius of a ball in atomic radii."""
_FACE = 0.02
"""Atoms within this of a face, in units of the cell, are drawn on the opposite one too."""
_COLOUR_FILES = ("pymatgen.core", "pymatgen.vis")

Numbers = NDArray[np.float64]


def picture(crystal: Crystal) -> Markup | None:
    """Return a crystal as an inline ``<svg>``; None where it has too many atoms to be seen.

    The cell is drawn with all atoms in it, in orthographic projection, the farther ones first.

    Args:
        crystal: The crystal.
    """
    numbers, fractional = _shown_atoms(crystal)
    if len(numbers) > MOST_ATOMS:
        return None
    cell = _upright(crystal.cell)
    corners = np.array(list(product((0.0, 1.0), repeat=3)))
    screen = _project(np.concatenate([corners, fractional]) @ cell)
    radii = np.array([_BALL * _radius(number) for number in numbers.tolist()])
    flat, scale = _fit(screen[:, :2], float(radii.max()))
    edges = _edges(flat[: len(corners)], corners)
    order = np.argsort(screen[len(corners) :, 2])
    balls = "".join(
        _ball(flat[len(corners) + k], scale * radii[k], int(numbers[k])) for k in order.tolist()
    )
    name = escape(formula(crystal.atomic_numbers, reduced=True))
    return Markup(
        f'<svg class="crystal" viewBox="0 0 {_SIZE:g} {_SIZE:g}" role="img" '
        f'aria-label="The cell of {name}, {crystal.num_atoms} atoms">{edges}{balls}</svg>'
    )


def colour(number: int) -> str:
    """Return the colour of an element: that of Jmol, or a hue of its own where Jmol has none.

    >>> colour(8)
    '#ff0d0d'
    """
    found = _scheme().get(symbol(number))
    if found is None:
        return f"hsl({137.5 * number % 360:.0f} 55% 60%)"
    red, green, blue = found
    return f"#{red:02x}{green:02x}{blue:02x}"


def _shown_atoms(crystal: Crystal) -> tuple[NDArray[np.int64], Numbers]:
    """Return the atoms of the home cell, and their images on opposite faces, edges and corners."""
    home = crystal.fractional % 1.0
    home[home > 1.0 - _FACE] -= 1.0
    numbers, places = [], []
    for number, place in zip(crystal.atomic_numbers.tolist(), home, strict=True):
        reach = [(0.0, 1.0) if abs(value) < _FACE else (0.0,) for value in place.tolist()]
        for shift in product(*reach):
            numbers.append(number)
            places.append(place + shift)
    return np.array(numbers, dtype=np.int64), np.array(places, dtype=np.float64)


def _upright(cell: Numbers) -> Numbers:
    """Return the cell turned so that a lies along x and b in the plane of x and y."""
    triangular, signs = np.linalg.qr(cell.T)[1].T, 1.0
    signs = np.sign(np.diag(triangular)) + (np.diag(triangular) == 0)
    upright: Numbers = triangular * signs
    return upright


def _project(places: Numbers) -> Numbers:
    """Return places as the screen's right and down, and the depth towards the eye."""
    x, y, z = places.T
    right = x * np.cos(_TURN) - y * np.sin(_TURN)
    away = x * np.sin(_TURN) + y * np.cos(_TURN)
    up = z * np.cos(_TILT) + away * np.sin(_TILT)
    depth = z * np.sin(_TILT) - away * np.cos(_TILT)
    return np.stack([right, -up, depth], axis=1)


def _fit(flat: Numbers, reach: float) -> tuple[Numbers, float]:
    """Scale and move points into the picture, balls of a radius included."""
    low, high = flat.min(axis=0) - reach, flat.max(axis=0) + reach
    scale = (_SIZE - 2 * _MARGIN) / float((high - low).max())
    centred: Numbers = (flat - (low + high) / 2) * scale + _SIZE / 2
    return centred, scale


def _edges(flat: Numbers, corners: Numbers) -> str:
    lines = []
    for one in range(8):
        for other in range(one + 1, 8):
            if np.abs(corners[one] - corners[other]).sum() == 1.0:
                (x1, y1), (x2, y2) = flat[one].tolist(), flat[other].tolist()
                lines.append(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}")
    return f'<path class="cell" d="{"".join(lines)}"/>'


def _ball(place: Numbers, radius: float, number: int) -> str:
    x, y = place.tolist()
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour(number)}"/>'


@cache
def element_name(number: int) -> str:
    """Return the English name of an element.

    >>> element_name(8)
    'Oxygen'
    """
    return str(Element.from_Z(number).long_name)


@cache
def _radius(number: int) -> float:
    """Return an element's atomic radius, Å; 1.5 where none is known."""
    found = Element.from_Z(number).atomic_radius
    return 1.5 if found is None else float(found)


@cache
def _scheme() -> dict[str, list[int]]:
    for package in _COLOUR_FILES:
        try:
            text = files(package).joinpath("ElementColorSchemes.yaml").read_text("utf-8")
            return dict(yaml.safe_load(text)["Jmol"])
        except (OSError, KeyError, ModuleNotFoundError, yaml.YAMLError):
            continue  # another release of pymatgen keeps it elsewhere
    return {}
