"""Periodic neighbour lists: every image inside the cutoff, any cell shape, tiny cells included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from vesin import NeighborList

from matsciml_core.interfaces.crystal import CrystalBatch
from matsciml_core.interfaces.encoder import Neighbourhood

TIE_TOLERANCE = 1e-4
"""Edges whose lengths differ by less than this, Å, count as equal when a cap is applied."""


def attach_neighbours(batch: CrystalBatch, neighbourhood: Neighbourhood) -> CrystalBatch:
    """Connect each atom to the periodic images of all atoms within a cutoff.

    Pairs are selected in float64 whatever the dtype of the batch, so a pair near the cutoff is
    judged alike in every precision the positions allow. An atom is connected to its own images
    but not to itself. Compiled search by vesin, linear in atoms; one call per crystal.

    Args:
        batch: Crystals on the CPU, with or without edges (existing ones are replaced).
        neighbourhood: Cutoff in Å and, optionally, the cap on edges into one atom.

    Returns:
        The batch with ``edge_index``, ``cell_shift`` and ``edges_per_atom``, edges sorted by
        target; the other tensors are shared.
    """
    edges, shifts = find_edges(
        batch.positions.numpy(force=True).astype(np.float64, copy=False),
        batch.cell.numpy(force=True).astype(np.float64, copy=False),
        batch.pbc.numpy(force=True),
        batch.atoms_per_crystal.numpy(force=True),
        neighbourhood,
    )
    return with_edges(batch, edges, shifts)


def with_edges(
    batch: CrystalBatch, edges: NDArray[np.int64], shifts: NDArray[np.int32]
) -> CrystalBatch:
    """Return the batch with given edges.

    Args:
        batch: The crystals.
        edges: Source and target atom, ``(2, edges)``, sorted by target.
        shifts: Image of the source atom in lattice vectors, ``(edges, 3)``.

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
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Find the edges of several crystals at once.

    Args:
        positions: Cartesian, ``(atoms, 3)``, Å, unwrapped or not.
        cells: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        pbc: Periodic directions, ``(crystals, 3)``.
        atoms_per_crystal: ``(crystals,)``.
        neighbourhood: Cutoff and cap.

    Returns:
        Source and target atom ``(2, edges)`` sorted by target, and the image of the source atom
        in lattice vectors ``(edges, 3)``: the edge vector is
        ``positions[target] − (positions[source] + shift @ cell)``.
    """
    search = NeighborList(cutoff=neighbourhood.cutoff, full_list=True, sorted=True, n_threads=1)
    buffer = _EdgeBuffer(capacity=64 * len(positions))
    first = 0
    for k, count in enumerate(atoms_per_crystal.tolist()):
        points = positions[first : first + count]
        # vesin's pair (i, j, S) has i at home and j in image S: i is our target, j our source.
        target, source, shift = search.compute(
            points=points, box=cells[k], periodic=pbc[k], quantities="ijS", copy=False
        )
        keep: slice | NDArray[np.bool_] = slice(None)
        if neighbourhood.max_neighbours is not None:
            vectors = points[target] - points[source] - shift @ cells[k]
            lengths = np.linalg.norm(vectors, axis=1)
            keep = _shortest(target, lengths, count, neighbourhood.max_neighbours)
        buffer.append(source[keep], target[keep], shift[keep], offset=first)
        first += count
    return buffer.result()


def _shortest(
    target: NDArray[np.uint64], lengths: NDArray[np.float64], atoms: int, cap: int
) -> NDArray[np.bool_]:
    """Mark the ``cap`` shortest edges into each atom, with all that tie with the last of them."""
    order = np.lexsort((lengths, target))
    counts = np.bincount(target.astype(np.int64), minlength=atoms)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    limit = np.full(atoms, np.inf)
    full = counts > cap
    limit[full] = lengths[order][starts[full] + cap - 1] + TIE_TOLERANCE
    kept: NDArray[np.bool_] = lengths <= limit[target.astype(np.int64)]
    return kept


class _EdgeBuffer:
    """Edges of one crystal after the other, in arrays that double when full."""

    def __init__(self, capacity: int) -> None:
        self._edges = np.empty((2, max(capacity, 64)), dtype=np.int64)
        self._shifts = np.empty((max(capacity, 64), 3), dtype=np.int32)
        self._used = 0

    def append(
        self,
        source: NDArray[np.uint64],
        target: NDArray[np.uint64],
        shift: NDArray[np.int32],
        *,
        offset: int,
    ) -> None:
        """Copy one crystal's edges, moving atom indices by ``offset``."""
        first, last = self._used, self._used + len(source)
        if last > len(self._shifts):
            self._grow(last)
        np.add(source.view(np.int64), offset, out=self._edges[0, first:last])
        np.add(target.view(np.int64), offset, out=self._edges[1, first:last])
        self._shifts[first:last] = shift
        self._used = last

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the edges collected so far, as arrays of their own."""
        used = self._used
        return self._edges[:, :used].copy(), self._shifts[:used].copy()

    def _grow(self, needed: int) -> None:
        capacity = max(needed, 2 * len(self._shifts))
        edges, shifts, used = self._edges, self._shifts, self._used
        self._edges = np.empty((2, capacity), dtype=np.int64)
        self._shifts = np.empty((capacity, 3), dtype=np.int32)
        self._edges[:, :used] = edges[:, :used]
        self._shifts[:used] = shifts[:used]
