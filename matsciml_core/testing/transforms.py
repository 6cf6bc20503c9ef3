"""Other descriptions of the same crystal, and a few of different ones. Labels are dropped."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.errors import GeometryError
from matsciml_core.interfaces.crystal import Crystal


def random_rotation(generator: np.random.Generator) -> NDArray[np.float64]:
    """Return a rotation drawn uniformly, ``(3, 3)``, determinant +1."""
    matrix, triangular = np.linalg.qr(generator.normal(size=(3, 3)))
    matrix *= np.sign(np.diag(triangular))
    rotation: NDArray[np.float64] = matrix * np.linalg.det(matrix)
    return rotation


def transform(crystal: Crystal, matrix: ArrayLike) -> Crystal:
    """Apply an orthogonal matrix to atoms and lattice: a rotation or a reflection.

    Args:
        crystal: The crystal.
        matrix: ``(3, 3)``, acting on column vectors, dimensionless.

    Returns:
        The transformed crystal.
    """
    rows = np.asarray(matrix, dtype=np.float64).T
    return _like(crystal, positions=crystal.positions @ rows, cell=crystal.cell @ rows)


def turn(values: ArrayLike, matrix: ArrayLike, rank: int) -> NDArray[np.float64]:
    """Apply an orthogonal matrix R to Cartesian tensors: R v, R M Rᵀ, and so on.

    Args:
        values: ``(..., 3, …, 3)`` with as many last axes as the rank, in any unit.
        matrix: R, ``(3, 3)``, dimensionless.
        rank: Cartesian rank.

    Returns:
        The tensors that a crystal has to which :func:`transform` applied R.
    """
    turned = np.asarray(values, dtype=np.float64)
    for axis in range(turned.ndim - rank, turned.ndim):
        turned = np.moveaxis(np.tensordot(turned, np.asarray(matrix), axes=(axis, 1)), -1, axis)
    return turned


def translate(crystal: Crystal, vector: ArrayLike) -> Crystal:
    """Move all atoms by one vector, ``(3,)``, Å; the cell stays."""
    return _like(crystal, positions=crystal.positions + np.asarray(vector, dtype=np.float64))


def permute(crystal: Crystal, order: ArrayLike) -> Crystal:
    """List the atoms in another order: new atom ``k`` is old atom ``order[k]``."""
    order_ = np.asarray(order, dtype=np.int64)
    return _like(
        crystal,
        positions=crystal.positions[order_],
        atomic_numbers=crystal.atomic_numbers[order_],
    )


def move_to_images(crystal: Crystal, shifts: ArrayLike) -> Crystal:
    """Move each atom by a lattice vector of its own.

    Args:
        crystal: The crystal.
        shifts: Integers, ``(atoms, 3)``, in units of the lattice vectors.

    Returns:
        The same crystal, with other images of its atoms stored.
    """
    return _like(crystal, positions=crystal.positions + np.asarray(shifts) @ crystal.cell)


def wrap(crystal: Crystal) -> Crystal:
    """Move every atom into the cell."""
    return _like(crystal, positions=(crystal.fractional % 1.0) @ crystal.cell)


def change_basis(crystal: Crystal, matrix: ArrayLike) -> Crystal:
    """Describe the same lattice by other vectors, and wrap the atoms into the new cell.

    Args:
        crystal: The crystal.
        matrix: Integers, ``(3, 3)``, determinant ±1; the new vectors are its rows, in units of
            the old ones.

    Returns:
        The same crystal.

    Raises:
        GeometryError: The determinant is not ±1.
    """
    rows = np.asarray(matrix)
    if round(abs(np.linalg.det(rows))) != 1:
        raise GeometryError("A change of basis needs an integer matrix of determinant 1 or −1.")
    return wrap(_like(crystal, cell=rows @ crystal.cell))


def supercell(crystal: Crystal, matrix: ArrayLike) -> tuple[Crystal, NDArray[np.int64]]:
    """Repeat the crystal.

    Args:
        crystal: The crystal.
        matrix: Integers, ``(3, 3)``; the lattice vectors of the supercell are its rows, in units
            of the old ones.

    Returns:
        The supercell, and for each of its atoms the atom it is an image of, ``(atoms,)``.
    """
    rows = np.asarray(matrix, dtype=np.int64)
    corners = np.array(list(product((0, 1), repeat=3))) @ rows
    ranges = [
        range(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    offsets = np.array(list(product(*ranges)))
    inside = offsets @ np.linalg.inv(rows)
    offsets = offsets[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    atoms = np.arange(crystal.num_atoms)
    origin = np.tile(atoms, len(offsets))
    shifts = np.repeat(offsets, len(atoms), axis=0)
    repeated = _like(
        crystal,
        atomic_numbers=crystal.atomic_numbers[origin],
        positions=crystal.positions[origin] + shifts @ crystal.cell,
        cell=rows @ crystal.cell,
    )
    return repeated, origin


def scale(crystal: Crystal, factor: float) -> Crystal:
    """Multiply every length by a factor: another crystal."""
    return _like(crystal, positions=factor * crystal.positions, cell=factor * crystal.cell)


def displace(crystal: Crystal, displacements: ArrayLike) -> Crystal:
    """Move each atom by a vector of its own, ``(atoms, 3)``, Å: another crystal."""
    return _like(crystal, positions=crystal.positions + np.asarray(displacements))


def substitute(crystal: Crystal, atomic_numbers: ArrayLike) -> Crystal:
    """Put other species, ``(atoms,)``, on the same sites: another crystal."""
    return _like(crystal, atomic_numbers=np.asarray(atomic_numbers))


def _like(
    crystal: Crystal,
    *,
    atomic_numbers: NDArray[np.uint8] | None = None,
    positions: NDArray[np.float64] | None = None,
    cell: NDArray[np.float64] | None = None,
) -> Crystal:
    return Crystal(
        id=crystal.id,
        atomic_numbers=crystal.atomic_numbers if atomic_numbers is None else atomic_numbers,
        positions=crystal.positions if positions is None else positions,
        cell=crystal.cell if cell is None else cell,
        pbc=crystal.pbc,
    )
