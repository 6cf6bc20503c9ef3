"""Structure validity: no two atoms on top of each other, and a cell with a volume."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.crystal import Crystal

SHORTEST_DISTANCE = 0.5
"""Å."""
SMALLEST_VOLUME = 0.1
"""Of the cell, Å³."""
_BOND_SEARCH = 13.0
"""Radius in which pymatgen's CrystalNN begins to search, Å."""
_MOST_NEIGHBOURS = 3e5
"""Of one atom, images included."""
_IMAGES = np.array(list(product((-1, 0, 1), repeat=3)))


def is_valid_structure(crystal: Crystal, distance: float | None = None) -> bool:
    """Return whether a crystal is structurally valid.

    It is where every two atoms are more than 0.5 Å apart and the cell has at least 0.1 Å³. The
    bound is Court et al.'s, used by CDVAE; the volume is from CDVAE's program.

    Deviation: that program looks at distances between different atoms of a cell, each to its
    nearest image; here an atom's distance to its own images counts too, so that a cell with a
    vector of 0.3 Å is not valid.

    Args:
        crystal: The crystal.
        distance: Its :func:`shortest_distance`, Å, where it has been computed before.

    References:
        Xie, Fu, Ganea, Barzilay, Jaakkola, Crystal diffusion variational autoencoder for periodic
        material generation, ICLR (2022), section 5.2, "Validity"; doi:10.48550/arXiv.2110.06197.
        Court, Yildirim, Jain, Cole, J. Chem. Inf. Model. 60, 4518 (2020),
        doi:10.1021/acs.jcim.0c00464.
    """
    if not crystal.volume >= SMALLEST_VOLUME:
        return False
    return (shortest_distance(crystal) if distance is None else distance) > SHORTEST_DISTANCE


def has_few_neighbours(crystal: Crystal) -> bool:
    """Return whether the neighbours that the search for bonds looks at are few enough.

    pymatgen lists them within 13 Å, and where they do not enclose the atom, as in a cell that is a
    needle, within ever larger spheres up to the length of the cell. What collapsed has millions of
    them, which no time limit stops: that work is done in compiled code.
    """
    cell = _reduced_cell(crystal)
    lengths = np.linalg.norm(cell, axis=1)
    reach = max(_BOND_SEARCH, float(lengths.max()))
    # Volume of the sphere times the number density of the crystal.
    neighbours = 4 / 3 * np.pi * reach**3 * crystal.num_atoms / crystal.volume
    return bool(lengths.min() >= SHORTEST_DISTANCE and neighbours <= _MOST_NEIGHBOURS)


def shortest_distance(crystal: Crystal) -> float:
    """Return the shortest distance between two atoms, images of one atom included, Å.

    Args:
        crystal: The crystal; any cell shape, and any density: the neighbour list that models use
            is made for crystals, and not for what a generator may come up with.
    """
    cell = _reduced_cell(crystal)
    images = _IMAGES @ cell  # (27, 3)
    own = np.linalg.norm(images[np.any(_IMAGES != 0, axis=1)], axis=1).min()
    fractional = np.linalg.solve(cell.T, crystal.positions.T).T
    shortest = float(own)
    # Atom by atom, so that memory grows with the atoms and not with their pairs.
    for atom in range(crystal.num_atoms - 1):
        differences = fractional[atom + 1 :] - fractional[atom]
        vectors = (differences - np.rint(differences)) @ cell  # (others, 3)
        squares = ((vectors[:, None] + images) ** 2).sum(axis=2)  # (others, 27)
        shortest = min(shortest, float(np.sqrt(squares.min())))
    return shortest


def _reduced_cell(crystal: Crystal) -> NDArray[np.float64]:
    """Return a cell of the same lattice with short vectors; the cell itself where there is none.

    Within it the shortest vector to a point is at most one cell away from the rounded one.
    """
    from pymatgen.core.lattice import Lattice  # noqa: PLC0415 - heavy

    try:
        reduced = np.asarray(Lattice(crystal.cell).get_lll_reduced_lattice().matrix)
    except (ValueError, ZeroDivisionError, np.linalg.LinAlgError):
        return crystal.cell  # too flat to be reduced
    return reduced if np.isfinite(reduced).all() else crystal.cell
