"""Is this a crystal? Checks that catch fractional coordinates taken as Cartesian, and worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matsciml_core.data.neighbours.neighbour_list import find_edges
from matsciml_core.errors import GeometryError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Neighbourhood

SHORTEST_DISTANCE = 0.5
"""No two atoms of a crystal are closer than this, Å (H₂ has 0.74 Å)."""
SHORTEST_FRACTIONAL = 0.95
"""Nor than this, Å, where all positions lie within [0, 1], unless there is hydrogen (HF has 0.92 Å,
N₂ 1.10 Å): fractional coordinates of simple crystals taken as Cartesian are up to 0.87 Å apart."""
VOLUME_PER_ATOM = (2.0, 400.0)
"""Bounds for a crystal, Å³ per atom: diamond has 5.7, caesium 118."""
_HYDROGEN = 1
_SEARCH = 3.0
"""Shortest distances beyond this, Å, are not resolved: they are plausible anyway."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Two numbers that betray wrong units and wrong coordinates."""

    volume_per_atom: float
    """Å³."""
    shortest_distance: float
    """Shortest distance between two atoms, periodic images included, Å; at most 3."""


def measure_geometry(crystal: Crystal) -> Geometry:
    """Return volume per atom and shortest interatomic distance of a crystal."""
    edges, shifts = find_edges(
        crystal.positions,
        crystal.cell[None],
        crystal.pbc[None],
        np.array([crystal.num_atoms]),
        Neighbourhood(cutoff=_SEARCH),
        (crystal.id,),
    )
    sender, receiver = edges
    vectors = crystal.positions[receiver] - crystal.positions[sender] - shifts @ crystal.cell
    lengths = np.linalg.norm(vectors, axis=1)
    return Geometry(
        volume_per_atom=crystal.volume / crystal.num_atoms,
        shortest_distance=float(lengths.min(initial=_SEARCH)),
    )


def check_geometry(crystal: Crystal) -> None:
    """Reject a crystal whose geometry cannot be right.

    Args:
        crystal: What a reader is about to store or serve.

    Raises:
        GeometryError: Atoms overlap, or the volume per atom is absurd; the message says whether
            fractional coordinates were probably taken as Cartesian.
    """
    geometry = measure_geometry(crystal)
    low, high = VOLUME_PER_ATOM
    # Slabs, wires and molecules have any amount of vacuum in their cells.
    if not low <= geometry.volume_per_atom <= high and crystal.pbc.all():
        raise GeometryError(
            f"Crystal '{crystal.id}' has {geometry.volume_per_atom:.3g} Å³ per atom; crystals have "
            f"{low:g} to {high:g}. Is the cell in Å? What is isolated in a box is read where "
            "the file says that it is not periodic, as pbc='F F F' does."
        )
    fractional = looks_fractional(crystal)
    # Hydrogen has bonds as short as those of fractions that were taken for Å.
    strict = fractional and _HYDROGEN not in crystal.atomic_numbers
    limit = SHORTEST_FRACTIONAL if strict else SHORTEST_DISTANCE
    if geometry.shortest_distance < limit:
        hint = (
            "All positions lie between zero and one: they look fractional; use "
            "Crystal.from_fractional, or import them with --fractional."
            if fractional
            else "Check the positions and the cell."
        )
        raise GeometryError(
            f"Crystal '{crystal.id}' has atoms {geometry.shortest_distance:.3g} Å apart; nothing "
            f"is closer than {limit} Å. {hint}"
        )


def looks_fractional(crystal: Crystal) -> bool:
    """Return whether positions look like fractional coordinates stored as Cartesian ones.

    True where several atoms all lie in a unit cube although the cell is much larger.
    """
    # The cube has to be much smaller than the cell, 8 Å³: a real atom takes more than 1 Å³.
    inside = crystal.positions.max() < 1 + 1e-6 and crystal.positions.min() > -1e-6
    return bool(inside) and crystal.num_atoms > 1 and crystal.volume > 8.0
