"""Space groups: operations of the primitive cell, and the Wyckoff positions that follow of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import moyopy
import numpy as np
from numpy.typing import NDArray

_GENERIC = np.array([0.3819660113, 0.7320508076, 0.2360679775])
"""Coordinates that no operation maps onto themselves by chance."""
_SHIFTS = np.array(list(product(range(-3, 4), repeat=3)))
"""Lattice vectors by which an operation may miss a point of the cell, ``(343, 3)``."""
_NEAR = np.array(list(product(range(-2, 3), repeat=3)))
_TOLERANCE = 1e-6
"""In lattice vectors; coordinates of special positions are multiples of 1/48 and the like."""


@dataclass(frozen=True, kw_only=True)
class WyckoffPosition:
    """Points of the same site symmetry: all images of an affine subspace of the cell."""

    base: NDArray[np.float64]
    """A point of the subspace, ``(3,)``, in lattice vectors."""
    directions: NDArray[np.float64]
    """Projector onto its directions, ``(3, 3)``, for columns of fractional coordinates: the mean of
    the operations that leave the subspace where it is."""
    rotations: NDArray[np.int64]
    """W of an operation that leads to each atom of the orbit, ``(multiplicity, 3, 3)``; the first
    is the identity."""
    translations: NDArray[np.float64]
    """Its w, ``(multiplicity, 3)``, in lattice vectors."""

    @property
    def multiplicity(self) -> int:
        """Atoms of an orbit in the primitive cell."""
        return len(self.rotations)

    @property
    def is_point(self) -> bool:
        """Whether there is no free coordinate, so that one orbit at most has room there."""
        return not self.directions.any()


@dataclass(frozen=True, kw_only=True)
class SpaceGroup:
    """A space group in a primitive cell of its standard setting; x' = W x + w for columns."""

    number: int
    """1 to 230."""
    rotations: NDArray[np.int64]
    """W, ``(operations, 3, 3)``; the first is the identity."""
    translations: NDArray[np.float64]
    """w, ``(operations, 3)``, in lattice vectors."""
    positions: tuple[WyckoffPosition, ...]
    """The general one first."""


@lru_cache(maxsize=16)
def space_group(number: int) -> SpaceGroup:
    """Return a space group with all of its Wyckoff positions.

    Positions are found by intersecting those that are known, beginning with the whole cell, with
    the points that an operation leaves where they are, until nothing new comes of it.

    Args:
        number: 1 to 230.
    """
    operations = moyopy.operations_from_number(number, primitive=True)
    rotations = np.array(operations.rotations, dtype=np.int64)
    translations = np.array(operations.translations)
    # The identity first: an orbit begins with its own representative.
    order = np.argsort(np.abs(rotations - np.eye(3)).sum((1, 2)), kind="stable")
    rotations, translations = rotations[order], translations[order]
    seen: set[tuple[float, ...]] = set()
    positions = []
    open_ends = [(np.zeros(3), np.eye(3))]
    while open_ends:
        base, basis = open_ends.pop(0)  # a point, and directions as columns
        position = _position(base, basis, rotations, translations)
        if _key(position.base, position.directions) in seen:
            continue
        positions.append(position)
        for rotation, translation in zip(rotations, translations, strict=True):
            inverse = np.rint(np.linalg.inv(rotation))
            image = rotation @ position.base + translation
            seen.add(_key(image, rotation @ position.directions @ inverse))
        open_ends += _intersections(base, basis, rotations, translations)
    return SpaceGroup(
        number=number,
        rotations=rotations,
        translations=translations,
        positions=tuple(positions),
    )


def _position(
    base: NDArray[np.float64],
    basis: NDArray[np.float64],
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
) -> WyckoffPosition:
    """Return the position of a generic point of a subspace."""
    point = base + basis @ _GENERIC[: basis.shape[1]]
    images = rotations @ point + translations  # (operations, 3)
    misses = images - point
    stable = (np.abs(misses - np.rint(misses)) < _TOLERANCE).all(1)
    # Operations that lead to the same atom of the orbit differ by one that leaves it.
    differences = images[:, None] - images[None]
    same = (np.abs(differences - np.rint(differences)) < _TOLERANCE).all(2)
    first = np.flatnonzero(same.argmax(1) == np.arange(len(images)))
    directions = rotations[stable].mean(0)
    return WyckoffPosition(
        base=base,
        directions=np.where(np.abs(directions) < _TOLERANCE, 0.0, directions),
        rotations=rotations[first],
        translations=translations[first],
    )


def _intersections(
    base: NDArray[np.float64],
    basis: NDArray[np.float64],
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the smaller subspaces that single operations leave where they are."""
    if not basis.shape[1]:
        return
    for rotation, translation in zip(rotations, translations, strict=True):
        change = rotation - np.eye(3)
        # (W − 1)(b + B u) + w + t = 0 for a lattice vector t: linear equations for u.
        matrix = change @ basis
        left, values, right = np.linalg.svd(matrix)
        rank = int((values > _TOLERANCE).sum())
        if not rank:
            continue
        constants = change @ base + translation + _SHIFTS  # (shifts, 3)
        solvable = (np.abs(constants @ left[:, rank:]) < _TOLERANCE).all(1)
        coordinates = -(constants[solvable] @ left[:, :rank] / values[:rank]) @ right[:rank]
        bases = (base + coordinates @ basis.T) % 1.0
        bases = np.where(bases > 1.0 - _TOLERANCE, 0.0, bases)
        _, unique = np.unique(bases.round(5), axis=0, return_index=True)
        smaller = basis @ right[rank:].T
        for index in unique:
            yield bases[index], smaller


def _key(base: NDArray[np.float64], directions: NDArray[np.float64]) -> tuple[float, ...]:
    """Return numbers that are equal for subspaces that differ by a lattice vector at most."""
    across = np.eye(3) - directions
    offsets = ((base % 1.0 + _NEAR) @ across.T).round(4) + 0.0  # no negative zeros
    # Of all lattice vectors that one at which the subspace passes nearest to the origin.
    order = np.lexsort((*offsets.T, np.square(offsets).sum(1).round(4)))
    return (*offsets[order[0]], *(directions.round(4) + 0.0).ravel())
