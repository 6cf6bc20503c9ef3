"""Finding the symmetry-distinct atoms of crystals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import moyopy
import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.neighbours.edges import enter_distinct
from matsciml_core.data.neighbours.neighbour_list import with_edges
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.symmetry import AsymmetricUnit, Orbits

# It reports every crystal that is symmetric to within the tolerance only, which is most of them.
logging.getLogger("moyo").addHandler(logging.NullHandler())

SYMPREC = 1e-3
"""Default tolerance, Å: how far an operation may miss the atom it maps another one to."""

_SLACK = 2.0
"""Atoms are matched within this many tolerances, since the search averages over operations."""


class OrbitSource:
    """The symmetry of a dataset's crystals: as kept with the data, or found once and remembered.

    Args:
        dataset: Where the crystals come from.
        symprec: Tolerance, Å.
    """

    def __init__(self, dataset: Dataset, symprec: float = SYMPREC) -> None:
        """Start with nothing remembered."""
        self.dataset = dataset
        self.symprec = symprec
        self._orbits: dict[int, Orbits] = {}

    def unit(self, batch: CrystalBatch, indices: Sequence[int]) -> AsymmetricUnit:
        """Return the asymmetric unit of a batch of whole crystals.

        Args:
            batch: The crystals, float64.
            indices: Their indices in the dataset.
        """
        orbits = self.dataset.orbits(indices, self.symprec)
        if orbits is None:
            missing = [index for index in indices if index not in self._orbits]
            if missing:
                crystals = dict(zip(indices, batch.crystals(), strict=True))
                for index in missing:
                    self._orbits[index] = orbits_of(crystals[index], self.symprec)
            orbits = [self._orbits[index] for index in indices]
        return _unit(batch, orbits)


def attach_asymmetric_unit(batch: CrystalBatch, symprec: float = SYMPREC) -> CrystalBatch:
    """Keep only the edges into symmetry-distinct atoms, and say what those stand for.

    Args:
        batch: Whole crystals on the CPU, with edges or without.
        symprec: Tolerance, Å.

    Returns:
        The batch with ``asymmetric_unit`` and, where it had edges, those into distinct atoms.
    """
    unit = _unit(batch, [orbits_of(crystal, symprec) for crystal in batch.crystals()])
    if batch.edge_index is None or batch.cell_shift is None:
        return replace(batch, asymmetric_unit=unit)
    distinct = enter_distinct(batch.edge_index[1], unit)
    edges, shifts = batch.edge_index[:, distinct].numpy(), batch.cell_shift[distinct].numpy()
    return with_edges(replace(batch, asymmetric_unit=unit), edges, shifts)


def orbits_of(crystal: Crystal, symprec: float = SYMPREC) -> Orbits:
    """Find the orbits of one crystal, see :func:`find_orbits`."""
    return find_orbits(
        crystal.atomic_numbers, crystal.positions, crystal.cell, crystal.pbc, symprec
    )


def find_space_group(crystal: Crystal, symprec: float) -> int | None:
    """Return the number of the space group, 1 to 230; None where there is none.

    That is where a direction is not periodic, and where the search fails, as for some distorted
    cells.

    Args:
        crystal: The crystal.
        symprec: Tolerance, Å.
    """
    if not crystal.pbc.all():
        return None
    try:
        fractional = (crystal.fractional % 1.0).tolist()
        cell = moyopy.Cell(crystal.cell.tolist(), fractional, crystal.atomic_numbers.tolist())
        return int(moyopy.MoyoDataset(cell, symprec=symprec).number)
    except ValueError:  # NumPy's, where the cell has no volume, is one too
        return None


def space_group_symbol(number: int) -> str:
    """Return the short Hermann-Mauguin symbol of a space group, 1 to 230.

    >>> space_group_symbol(225), space_group_symbol(14)
    ('Fm-3m', 'P2_1/c')
    """
    return str(moyopy.SpaceGroupType(number).hm_short).replace(" ", "")


def _unit(batch: CrystalBatch, orbits: Sequence[Orbits]) -> AsymmetricUnit:
    return AsymmetricUnit.from_orbits(
        Orbits.joined(orbits), batch.cell, batch.crystal_index, batch.atoms_per_crystal
    )


def find_orbits(
    atomic_numbers: NDArray[np.integer[Any]],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    symprec: float = SYMPREC,
) -> Orbits:
    """Find the atoms that space-group operations map onto each other.

    An atom for which no operation is found within the tolerance represents itself, as do all
    atoms of a crystal that is not periodic in three directions: that costs time later and is
    never wrong.

    Args:
        atomic_numbers: One per atom, ``(atoms,)``, dimensionless.
        positions: Cartesian, ``(atoms, 3)``, Å.
        cell: Lattice vectors as rows, ``(3, 3)``, Å.
        pbc: Periodic directions, ``(3,)``, dimensionless.
        symprec: Tolerance, Å.

    Returns:
        The orbits.
    """
    count = len(atomic_numbers)
    if not pbc.all():
        return Orbits.trivial(count)
    # x = f · L with lattice vectors as rows, hence the transposes.
    fractional = np.linalg.solve(cell.T, positions.T).T.astype(np.float64, copy=False)
    operations = _operations(cell, fractional, atomic_numbers, symprec)
    if operations is None:
        return Orbits.trivial(count)
    return _match(atomic_numbers, fractional, cell, *operations, _SLACK * symprec)


def _operations(
    cell: NDArray[np.float64],
    fractional: NDArray[np.float64],
    atomic_numbers: NDArray[np.integer[Any]],
    symprec: float,
) -> tuple[NDArray[np.int8], NDArray[np.float64]] | None:
    """Return the operations f → W f + w of the space group, or None where the search fails."""
    described = moyopy.Cell(cell.tolist(), fractional.tolist(), atomic_numbers.tolist())
    try:
        operations = moyopy.MoyoDataset(described, symprec=symprec).operations
    except ValueError:  # distorted beyond what the tolerance can tell apart
        return None
    return np.array(operations.rotations, dtype=np.int8), np.array(operations.translations)


def _match(
    atomic_numbers: NDArray[np.integer[Any]],
    fractional: NDArray[np.float64],
    cell: NDArray[np.float64],
    rotations: NDArray[np.int8],
    translations: NDArray[np.float64],
    tolerance: float,
) -> Orbits:
    """Assign each atom to the first atom that some operation maps onto it."""
    count = len(atomic_numbers)
    orbits = Orbits(
        np.arange(count),
        np.tile(np.eye(3, dtype=np.int8), (count, 1, 1)),
        np.tile(np.eye(3, dtype=np.int16), (count, 1, 1)),
        np.ones(count, dtype=np.int16),
    )
    free = np.ones(count, dtype=bool)
    for atom in range(count):
        if not free[atom]:
            continue
        others = np.flatnonzero(free & (atomic_numbers == atomic_numbers[atom]))
        images = rotations @ fractional[atom] + translations  # (operations, 3)
        offset = images[:, None] - fractional[None, others]
        offset -= np.rint(offset)  # to the nearest image: operations hold up to lattice vectors
        miss = np.linalg.norm(offset @ cell, axis=2)  # (operations, others), Å
        # The atom itself comes first among the others; operations that keep it are its site's.
        # Sum and order keep the mean over the site's operations in whole numbers.
        of_site = miss[:, 0] < tolerance
        orbits.site_sum[atom] = rotations[of_site].sum(axis=0)
        orbits.site_order[atom] = of_site.sum()
        best = miss.argmin(axis=0)
        near = miss[best, np.arange(len(others))] < tolerance
        near[0] = False
        orbits.representative[others[near]] = atom
        orbits.rotation[others[near]] = rotations[best[near]]
        free[others[near]] = False
        free[atom] = False
    return orbits
