"""From crystals to the edges an encoder asked for: searched, reduced by symmetry, remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.data.neighbours.neighbour_list import find_edges, with_edges
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.interfaces.symmetry import AsymmetricUnit

SAME_LENGTH = 1e-5
"""Edges between the same atoms whose lengths differ by less than this, Å, count as equal: more than
the rounding of coordinates in files, and far less than any two different shells differ by."""
SAME_VECTOR = 1e-4
"""The same for the directions of edges, by a sum of fifteen numbers."""
# Square roots of different primes are linearly independent over the rational numbers.
_PRIMES = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47])


class EdgeList(NamedTuple):
    """Edges sorted by receiver."""

    ends: NDArray[np.integer[Any]]
    """Sender and receiver atom, ``(2, edges)``."""
    shifts: NDArray[np.signedinteger[Any]]
    """Image of the sender atom in lattice vectors, ``(edges, 3)``."""
    multiplicity: NDArray[np.integer[Any]] | None = None
    """Number of edges that each one stands for, ``(edges,)``; None: one each."""


class NeighbourCache:
    """Keeps the edges of crystals that were seen, in memory, in as few bytes as they need.

    A crystal of 10 atoms with 50 neighbours each takes 3.5 kB. Once the limit is reached nothing
    more is kept; what is kept stays.

    Args:
        limit: Most bytes to keep.
    """

    def __init__(self, limit: int = 2 << 30) -> None:
        """Start empty."""
        self.limit = limit
        self.size = 0
        self._edges: dict[int, EdgeList] = {}

    def __contains__(self, index: int) -> bool:
        """Return whether the edges of a crystal are kept."""
        return index in self._edges

    def __getitem__(self, index: int) -> EdgeList:
        """Return the edges of one crystal, in the types in which they are kept."""
        return self._edges[index]

    def put(self, index: int, edges: EdgeList) -> None:
        """Keep the edges of one crystal, numbered from its own first atom."""
        if index in self._edges:
            return
        small = EdgeList(
            edges.ends.astype(_smallest(edges.ends)),
            edges.shifts.astype(_smallest(edges.shifts)),
            edges.multiplicity
            if edges.multiplicity is None
            else edges.multiplicity.astype(_smallest(edges.multiplicity)),
        )
        nbytes = sum(array.nbytes for array in small if array is not None)
        if self.size + nbytes <= self.limit:
            self._edges[index] = small
            self.size += nbytes


class EdgeSource:
    """Attaches to batches the edges of a neighbourhood, each crystal searched once.

    A batch with an asymmetric unit gets the edges into its distinct atoms only and, where the
    neighbourhood says that only distances matter, one for all those that are the same.

    Args:
        neighbourhood: What the encoder needs.
        cache: Where to keep edges; None: they are searched anew each time.
    """

    def __init__(self, neighbourhood: Neighbourhood, cache: NeighbourCache | None = None) -> None:
        """Keep what is needed to find edges."""
        self.neighbourhood = neighbourhood
        self.cache = cache

    def find(self, batch: CrystalBatch, indices: Sequence[int]) -> EdgeList:
        """Return the edges of a batch; only crystals that the cache has not are searched.

        Args:
            batch: Crystals without edges, on the CPU.
            indices: The keys of the crystals in the cache.
        """
        if self.cache is None:
            return self._search(batch)
        missing = [k for k, index in enumerate(indices) if index not in self.cache]
        fresh: dict[int, EdgeList] = {}
        if missing:
            part = batch if len(missing) == batch.num_crystals else _select(batch, missing)
            ends, shifts, multiplicity = self._search(part)
            bounds = np.concatenate(([0], np.cumsum(part.atoms_per_crystal.numpy())))
            # Edges are sorted by receiver, so those of a crystal are contiguous.
            cuts = pairwise(np.searchsorted(ends[1], bounds).tolist())
            for k, (start, end), atom in zip(missing, cuts, bounds.tolist(), strict=False):
                fresh[k] = EdgeList(
                    ends[:, start:end] - atom,  # the crystal comes back in another batch
                    shifts[start:end],
                    None if multiplicity is None else multiplicity[start:end],
                )
                self.cache.put(indices[k], fresh[k])
        parts = [fresh[k] if k in fresh else self.cache[index] for k, index in enumerate(indices)]
        counts = batch.atoms_per_crystal.numpy()
        return join_edges(parts, counts.cumsum() - counts)

    def _search(self, batch: CrystalBatch) -> EdgeList:
        positions = batch.positions.to(torch.float64).numpy()
        cells = batch.cell.to(torch.float64).numpy()
        index, shifts = find_edges(
            positions,
            cells,
            batch.pbc.numpy(),
            batch.atoms_per_crystal.numpy(),
            self.neighbourhood,
            batch.ids,
        )
        unit = batch.asymmetric_unit
        if unit is None:
            return EdgeList(index, shifts)
        # The other atoms share the embedding of the one that represents them: no edge is needed.
        distinct = enter_distinct(torch.from_numpy(index[1]), unit).numpy()
        index, shifts = index[:, distinct], shifts[distinct]
        if self.neighbourhood.uses == "edges":
            return EdgeList(index, shifts)
        sender, receiver = index
        offset = np.einsum("ei,eij->ej", shifts, cells[batch.crystal_index.numpy()[receiver]])
        vectors = positions[receiver] - positions[sender] - offset
        # Features come from the representative of the sender, so edges from its images are alike.
        represented = unit.atoms[unit.distinct].numpy()
        groups = group_equal(receiver, represented[sender], np.linalg.norm(vectors, axis=1))
        if self.neighbourhood.uses == "vectors":
            groups = _split_by_symmetry(groups, vectors, sender, receiver, unit)
        _, first, multiplicity = np.unique(groups, return_index=True, return_counts=True)
        order = np.argsort(first)  # as they were found, which is by receiver
        return EdgeList(index[:, first[order]], shifts[first[order]], multiplicity[order])


def attach(batch: CrystalBatch, edges: EdgeList) -> CrystalBatch:
    """Return the batch with edges, and with the multiplicity they have in its asymmetric unit."""
    connected = with_edges(batch, edges.ends.astype(np.int64, copy=False), edges.shifts)
    if edges.multiplicity is None or batch.asymmetric_unit is None:
        return connected
    # Multiplicities weight messages, so they have the dtype of what is summed.
    counts = torch.from_numpy(edges.multiplicity).to(batch.positions.dtype)
    return replace(
        connected, asymmetric_unit=replace(batch.asymmetric_unit, edge_multiplicity=counts)
    )


def enter_distinct(receiver: torch.Tensor, unit: AsymmetricUnit) -> torch.Tensor:
    """Mark the edges that enter a symmetry-distinct atom, ``(edges,)``.

    Args:
        receiver: Atom that each edge enters, ``(edges,)``, dimensionless.
        unit: Of the batch.
    """
    return unit.atoms[unit.distinct[receiver]] == receiver


def group_equal(
    receiver: NDArray[np.int64], sender: NDArray[np.int64], lengths: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Group edges that connect the same two atoms at the same distance.

    Args:
        receiver: Atom that each edge enters, ``(edges,)``, dimensionless.
        sender: Representative of the atom that each edge leaves, ``(edges,)``, dimensionless.
        lengths: ``(edges,)``, Å.

    Returns:
        The number of each edge's group, ``(edges,)``.
    """
    # Sorted by length last: equal ones are next to each other, and each is compared with the one
    # before it, so no bound between bins can separate two lengths that differ by rounding.
    order = np.lexsort((lengths, sender, receiver))
    different = np.diff(receiver[order]) != 0
    different |= np.diff(sender[order]) != 0
    different |= np.diff(lengths[order]) > SAME_LENGTH
    return _numbered(order, different)


def _split_by_symmetry(
    groups: NDArray[np.int64],
    vectors: NDArray[np.float64],
    sender: NDArray[np.int64],
    receiver: NDArray[np.int64],
    unit: AsymmetricUnit,
) -> NDArray[np.int64]:
    """Split groups of edges into those that stay equal when atoms move as symmetry allows.

    With v the edge vector, P the projections onto allowed displacements of sender and receiver, and
    R the rotation of the sender against its representative, the length of the displaced edge
    v + u - u' R depends on P v, on P R⁻¹ v and on P R P, since u = P u.

    Args:
        groups: Group of each edge, ``(edges,)``.
        vectors: Edge vectors, ``(edges, 3)``, Å.
        sender: ``(edges,)``.
        receiver: ``(edges,)``.
        unit: Of the batch.
    """
    distinct = unit.distinct.numpy()
    site = unit.site.to(torch.float64).numpy()
    rotation = unit.rotation.to(torch.float64).numpy()[sender]
    at_sender, at_receiver = site[distinct[sender]], site[distinct[receiver]]
    seen_from_receiver = np.einsum("ei,eij->ej", vectors, at_receiver)
    seen_from_sender = np.einsum("ei,eji,ejk->ek", vectors, rotation, at_sender)
    together = at_sender @ rotation @ at_receiver
    numbers = np.concatenate(
        (seen_from_receiver, seen_from_sender, together.reshape(-1, 9)), axis=1
    )
    # Fifteen numbers are compared by one combination of them that no symmetry can make equal.
    combined = numbers @ np.sqrt(_PRIMES)
    order = np.lexsort((combined, groups))
    different = np.diff(groups[order]) != 0
    different |= np.diff(combined[order]) > SAME_VECTOR
    return _numbered(order, different)


def _numbered(order: NDArray[np.int64], different: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number groups of sorted edges, each beginning where one differs from that before it."""
    numbers = np.empty(len(order), dtype=np.int64)
    if len(order):
        numbers[order] = np.concatenate(([0], np.cumsum(different)))
    return numbers


def join_edges(parts: Sequence[EdgeList], first_atoms: NDArray[np.int64]) -> EdgeList:
    """Join the edges of several crystals.

    Args:
        parts: Edges of each crystal, numbered from its own first atom.
        first_atoms: Index of each crystal's first atom in the batch, ``(crystals,)``,
            dimensionless.

    Returns:
        The edges of the batch; int64, the others in the smallest type that holds them.
    """
    counts = [part.shifts.shape[0] for part in parts]
    # Cached indices may be int8: they are widened before the atoms before them are added.
    index = np.concatenate([part.ends for part in parts], axis=1, dtype=np.int64)
    index += first_atoms.repeat(counts)
    multiplicities = [part.multiplicity for part in parts if part.multiplicity is not None]
    return EdgeList(
        index,
        np.concatenate([part.shifts for part in parts]),
        np.concatenate(multiplicities) if multiplicities else None,
    )


def _select(batch: CrystalBatch, chosen: Sequence[int]) -> CrystalBatch:
    """Return the geometry and symmetry of some crystals of a batch, in ascending order."""
    crystals = torch.tensor(chosen)
    selected = torch.zeros(batch.num_crystals, dtype=torch.bool)
    selected[crystals] = True
    atoms = selected[batch.crystal_index]
    counts = batch.atoms_per_crystal[crystals]
    unit = batch.asymmetric_unit
    return CrystalBatch(
        atomic_numbers=batch.atomic_numbers[atoms],
        positions=batch.positions[atoms],
        cell=batch.cell[crystals],
        pbc=batch.pbc[crystals],
        crystal_index=torch.repeat_interleave(counts),
        atoms_per_crystal=counts,
        asymmetric_unit=None if unit is None else unit.select(atoms, crystals),
        ids=[batch.ids[k] for k in chosen] if batch.ids else (),
    )


def _smallest(array: NDArray[Any]) -> type[np.signedinteger[Any]]:
    """Return the smallest integer type that holds every value of an array."""
    largest = int(np.abs(array).max(initial=0))
    types: tuple[type[np.signedinteger[Any]], ...] = (np.int8, np.int16, np.int32)
    return next((kind for kind in types if largest <= np.iinfo(kind).max), np.int64)
