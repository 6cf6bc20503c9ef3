"""Periodic neighbour lists: every image inside the cutoff, any cell shape, tiny cells included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.data.neighbours._pairs import find_pairs
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Neighbourhood

TIE_TOLERANCE = 1e-4
"""Edges whose lengths differ by less than this, Å, count as equal when a cap is applied."""
ROUNDING = 1e-9
"""Pairs closer than this to the cutoff, Å, count as at the cutoff and are not connected: whether a
pair at the cutoff itself is found would otherwise depend on rounding, and so on rotation."""


def attach_neighbours(batch: CrystalBatch, neighbourhood: Neighbourhood) -> CrystalBatch:
    """Connect each atom to the periodic images of all atoms within a cutoff.

    Pairs are selected in float64 whatever the dtype of the batch, so a pair near the cutoff is
    selected alike in every precision the positions allow. An atom is connected to its own images
    but not to itself. Compiled search by vesin, linear in atoms; directions that are not periodic
    have no images, whatever the cell says about them.

    Args:
        batch: Crystals on the CPU, with or without edges (existing ones are replaced).
        neighbourhood: Cutoff in Å and, optionally, the cap on edges into one atom.

    Returns:
        The batch with ``edge_index``, ``cell_shift`` and ``edges_per_atom``, edges sorted by
        receiver; the other tensors are shared.

    Raises:
        GeometryError: A coordinate is not finite, a periodic cell has no volume, or a crystal is
            too large, too dense or too flat to be one.
    """
    edges, shifts = find_edges(
        batch.positions.numpy(force=True).astype(np.float64, copy=False),
        batch.cell.numpy(force=True).astype(np.float64, copy=False),
        batch.pbc.numpy(force=True),
        batch.atoms_per_crystal.numpy(force=True),
        neighbourhood,
        batch.ids,
    )
    return with_edges(batch, edges, shifts)


def with_edges(
    batch: CrystalBatch, edges: NDArray[np.int64], shifts: NDArray[np.signedinteger[Any]]
) -> CrystalBatch:
    """Return the batch with given edges.

    Args:
        batch: The crystals.
        edges: Sender and receiver atom, ``(2, edges)``, dimensionless, sorted by receiver.
        shifts: Image of the sender atom, ``(edges, 3)``, in lattice vectors, dimensionless.

    Returns:
        A batch that shares the other tensors.
    """
    return replace(
        batch,
        edge_index=torch.from_numpy(edges),
        cell_shift=torch.from_numpy(shifts).to(batch.positions.dtype),
        edges_per_atom=torch.from_numpy(np.bincount(edges[1], minlength=batch.num_atoms)),
    )


def find_edges(
    positions: NDArray[np.float64],
    cells: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    atoms_per_crystal: NDArray[np.int64],
    neighbourhood: Neighbourhood,
    ids: Sequence[str] = (),
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Find the edges of several crystals at once.

    Args:
        positions: Cartesian, ``(atoms, 3)``, Å, unwrapped or not.
        cells: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        pbc: Periodic directions, ``(crystals, 3)``, dimensionless.
        atoms_per_crystal: Number of atoms of each, ``(crystals,)``, dimensionless.
        neighbourhood: Cutoff and cap.
        ids: What the crystals are called in errors; empty: by their numbers.

    Returns:
        Sender and receiver atom ``(2, edges)`` sorted by receiver, and the image of the sender atom
        in lattice vectors ``(edges, 3)``: the edge vector is
        ``positions[receiver] − (positions[sender] + shift @ cell)``.

    Raises:
        GeometryError: See :func:`attach_neighbours`.
    """
    cap = neighbourhood.max_neighbours
    cutoff = neighbourhood.cutoff - ROUNDING
    pairs = find_pairs(
        positions, cells, pbc, atoms_per_crystal, cutoff, lengths=cap is not None, ids=ids
    )
    first_atoms = np.cumsum(atoms_per_crystal) - atoms_per_crystal
    offset = first_atoms.repeat(pairs.per_crystal)
    edges = np.empty((2, len(offset)), dtype=np.int64)
    # vesin's pair (i, j, S) has i at home and j in image S: i is our receiver, j our sender.
    np.add(pairs.atoms[:, 1], offset, out=edges[0])
    np.add(pairs.atoms[:, 0], offset, out=edges[1])
    if cap is None:
        return edges, pairs.shifts.copy()  # not the larger buffer behind it
    if cap < 1:
        return edges[:, :0], pairs.shifts[:0]
    keep = _shortest(edges[1], pairs.lengths, len(positions), cap, cutoff)
    return edges[:, keep], pairs.shifts[keep]


def _shortest(
    receiver: NDArray[np.int64], lengths: NDArray[np.float64], atoms: int, cap: int, cutoff: float
) -> NDArray[np.bool_]:
    """Mark the ``cap`` shortest edges into each atom, with all that tie with the last of them."""
    counts = np.bincount(receiver, minlength=atoms)
    full = np.flatnonzero(counts > cap)
    # One sort for all atoms: by atom, then by length as a fraction below one half. A million atoms
    # leave 3e-9 Å of the length's precision, far less than the tolerance for ties.
    ranked = np.sort(receiver + lengths / (2.0 * cutoff))
    last = (np.cumsum(counts) - counts)[full] + cap - 1
    limit = np.full(atoms, np.inf)
    limit[full] = (ranked[last] - full) * (2.0 * cutoff) + TIE_TOLERANCE
    shortest: NDArray[np.bool_] = lengths <= limit[receiver]
    return shortest
