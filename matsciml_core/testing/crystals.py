"""A few crystals that tell good encoders from broken ones.

Lattice constants are experimental values near room temperature; the triclinic crystal is made up,
so that it has no symmetry at all and no two equal distances.
"""

from __future__ import annotations

import numpy as np

from matsciml_core.interfaces.crystal import Crystal


def sodium_chloride() -> Crystal:
    """Rock salt in its primitive cell: two atoms, highly symmetric, all angles 60°."""
    return Crystal.from_fractional(
        id="NaCl",
        atomic_numbers=[11, 17],
        fractional=[[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
        cell=0.5 * 5.6402 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
    )


def bcc_iron(lattice_constant: float = 2.8665) -> Crystal:
    """Iron in its primitive cell: one atom, whose only neighbours are its own images."""
    return Crystal.from_fractional(
        id="Fe",
        atomic_numbers=[26],
        fractional=[[0, 0, 0]],
        cell=0.5 * lattice_constant * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
    )


def hcp_magnesium() -> Crystal:
    """Magnesium: two equivalent atoms, a hexagonal cell with an angle of 120°."""
    a, c = 3.2094, 5.2108
    return Crystal.from_fractional(
        id="Mg",
        atomic_numbers=[12, 12],
        fractional=[[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
        cell=[[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]],
    )


def rutile() -> Crystal:
    """Titanium dioxide: two orbits, whose oxygen atoms are turned against one another."""
    a, c, u = 4.5937, 2.9587, 0.3048
    return Crystal.from_fractional(
        id="TiO2",
        atomic_numbers=[22, 22, 8, 8, 8, 8],
        fractional=[
            [0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [u, u, 0.0],
            [-u, -u, 0.0],
            [0.5 - u, 0.5 + u, 0.5],
            [0.5 + u, 0.5 - u, 0.5],
        ],
        cell=np.diag([a, a, c]),
    )


def triclinic() -> Crystal:
    """Five atoms of four species without any symmetry, some of them stored outside the cell."""
    return Crystal.from_fractional(
        id="triclinic",
        atomic_numbers=[19, 41, 8, 8, 9],
        fractional=[
            [0.03, 0.05, -0.02],
            [0.47, 0.55, 0.52],
            [0.51, 0.08, 0.46],
            [1.04, 0.53, 0.61],
            [0.44, 0.58, 0.09],
        ],
        cell=[[4.31, 0.27, -0.18], [0.83, 4.62, 0.35], [-0.61, 0.94, 4.87]],
    )


def simple_cubic(lattice_constant: float, atomic_number: int = 84) -> Crystal:
    """One atom in a cube; the default is polonium, which really does this (3.36 Å)."""
    return Crystal(
        id=f"sc-{atomic_number}-{lattice_constant:g}",
        atomic_numbers=np.array([atomic_number]),
        positions=np.zeros((1, 3)),
        cell=lattice_constant * np.eye(3),
    )


def isolated_atom(reach: float, atomic_number: int = 18) -> Crystal:
    """One atom so far from its images that nothing within ``reach``, Å, is a neighbour."""
    return Crystal(
        id="isolated",
        atomic_numbers=np.array([atomic_number]),
        positions=np.array([[0.3, 0.1, 0.2]]),
        cell=(2 * reach + 2.0) * np.eye(3),
    )


def distant_pair(reach: float) -> Crystal:
    """Two atoms that see neither each other nor their images within ``reach``, Å."""
    return Crystal(
        id="distant pair",
        atomic_numbers=np.array([2, 10]),
        positions=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.5 * reach + 1.0]]),
        cell=np.diag([2 * reach + 2.0, 2 * reach + 2.0, 3 * reach + 2.0]),
    )


def all_crystals() -> list[Crystal]:
    """Return crystals of one, two and five atoms, from cubic to triclinic, in unequal sizes."""
    return [sodium_chloride(), bcc_iron(), triclinic(), hcp_magnesium()]
