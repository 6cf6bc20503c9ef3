"""Crystals as pictures: SVG with lines in the colours of the page and balls in the elements'."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import combinations, product

import numpy as np
import yaml
from markupsafe import Markup, escape
from numpy.typing import NDArray
from pymatgen.core.periodic_table import Element

from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import formula, symbol

MOST_ATOMS = 160
"""Atoms of a picture, those on faces of the cell shown on both; larger cells have none."""
_SIZE, _MARGIN = 180.0, 6.0
"""Of the picture, in its own units."""
_TURN, _TILT = np.deg2rad(24.0), np.deg2rad(14.0)
"""The cell is turned about its third direction and seen from a little above."""
_BALL = 0.42
"""Radius of a ball in atomic radii: neighbours stay apart, so that those behind are seen."""
_FACE = 0.02
"""Atoms within this of a face, in units of the cell, are shown on the opposite one too."""
_UNKNOWN_RADIUS = 1.5
"""Å, for elements of which none was measured."""
_COLOUR_FILES = ("pymatgen.core", "pymatgen.vis")
"""Packages in which releases of pymatgen keep the table of colours."""

Numbers = NDArray[np.float64]


def picture(crystal: Crystal) -> Markup | None:
    """Return a crystal as an inline ``<svg>``; None where it has too many atoms to be seen.

    The cell is shown with all atoms in it, in orthographic projection, the farther ones first.

    Args:
        crystal: The crystal; its three cell vectors must not lie in a plane.
    """
    atomic_numbers, fractional = _shown_atoms(crystal)
    if len(atomic_numbers) > MOST_ATOMS:
        return None
    corners = np.array(list(product((0.0, 1.0), repeat=3)))
    radii = np.array([_BALL * atomic_radius(number) for number in atomic_numbers.tolist()])
    screen, depth, scale = _on_screen(
        crystal.cell, np.concatenate([corners, fractional]), float(radii.max())
    )
    # An edge of the cell joins two corners that differ in one coordinate.
    edges = "".join(
        "M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*screen[i], *screen[j])
        for i, j in combinations(range(8), 2)
        if np.abs(corners[i] - corners[j]).sum() == 1.0
    )
    balls = []
    for atom in np.argsort(depth[8:]).tolist():
        x, y = screen[8 + atom].tolist()
        fill = colour(int(atomic_numbers[atom]))
        radius = scale * radii[atom]
        balls.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}"/>')
    name = escape(formula(crystal.atomic_numbers, reduced=True))
    return Markup(
        f'<svg class="crystal" viewBox="0 0 {_SIZE:g} {_SIZE:g}" role="img" '
        f'aria-label="The cell of {name}, {crystal.num_atoms} atoms">'
        f'<path class="cell" d="{edges}"/>{"".join(balls)}</svg>'
    )


def _shown_atoms(crystal: Crystal) -> tuple[NDArray[np.int64], Numbers]:
    """Return the atoms of the home cell, and their images on opposite faces, edges and corners."""
    home = crystal.fractional % 1.0
    # Rounding must not put an atom of a face onto the opposite one.
    home[home > 1.0 - _FACE] -= 1.0
    atomic_numbers, positions = [], []
    for number, position in zip(crystal.atomic_numbers.tolist(), home, strict=True):
        shifts = [(0.0, 1.0) if abs(value) < _FACE else (0.0,) for value in position.tolist()]
        for shift in product(*shifts):
            atomic_numbers.append(number)
            positions.append(position + shift)
    return np.array(atomic_numbers, dtype=np.int64), np.array(positions, dtype=np.float64)


def _on_screen(cell: Numbers, fractional: Numbers, radius: float) -> tuple[Numbers, Numbers, float]:
    """Project points of a cell, so that balls of a radius (Å) around them fit into the picture.

    Returns:
        Right and down of each point, ``(points, 2)``, in the picture's units; depths towards the
        eye, ``(points,)``, Å; and the picture's units in an ångström.
    """
    # Turned so that a lies along x and b in the plane of x and y, with positive diagonal: cells of
    # one shape look alike, whatever frame they are given in. L = R Q, with rows as vectors.
    triangular = np.linalg.qr(cell.T)[1].T
    upright = triangular * (np.sign(np.diag(triangular)) + (np.diag(triangular) == 0))
    x, y, z = (fractional @ upright).T
    right = x * np.cos(_TURN) - y * np.sin(_TURN)
    away = x * np.sin(_TURN) + y * np.cos(_TURN)
    up = z * np.cos(_TILT) + away * np.sin(_TILT)
    depth = z * np.sin(_TILT) - away * np.cos(_TILT)
    flat = np.stack([right, -up], axis=1)
    low, high = flat.min(axis=0) - radius, flat.max(axis=0) + radius
    scale = (_SIZE - 2 * _MARGIN) / float((high - low).max())
    return (flat - (low + high) / 2) * scale + _SIZE / 2, depth, scale


def colour(number: int) -> str:
    """Return the colour of an element: that of Jmol, or a hue of its own where Jmol has none.

    Args:
        number: Atomic number.

    >>> colour(8)
    '#ff0d0d'
    """
    rgb = _jmol_colours().get(symbol(number))
    if rgb is None:
        # The golden angle keeps the hues of successive elements far apart.
        return f"hsl({137.5 * number % 360:.0f} 55% 60%)"
    red, green, blue = rgb
    return f"#{red:02x}{green:02x}{blue:02x}"


@cache
def element_name(number: int) -> str:
    """Return the English name of an element.

    Args:
        number: Atomic number.

    >>> element_name(8)
    'Oxygen'
    """
    return str(Element.from_Z(number).long_name)


@cache
def atomic_radius(number: int) -> float:
    """Return an element's atomic radius, Å; 1.5 where none is known.

    Args:
        number: Atomic number.

    >>> atomic_radius(8), atomic_radius(118)
    (0.6, 1.5)
    """
    radius = Element.from_Z(number).atomic_radius
    return _UNKNOWN_RADIUS if radius is None else float(radius)


@cache
def _jmol_colours() -> dict[str, list[int]]:
    for package in _COLOUR_FILES:
        try:
            text = files(package).joinpath("ElementColorSchemes.yaml").read_text("utf-8")
            return dict(yaml.safe_load(text)["Jmol"])
        except (OSError, KeyError, ModuleNotFoundError, yaml.YAMLError):
            continue  # another release of pymatgen keeps it elsewhere
    return {}
