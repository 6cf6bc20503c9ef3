"""Neighbours of atoms that move in every step: a batched search over fixed candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from matsciml_model_cdvae.lattice import heights, to_cartesian

_COINCIDENT = 1e-4
"""Squared distance, Å², below which an atom is its own image, and is not connected to it."""
_SAME_SHELL = 1e-3
"""Squared distances, Å², that differ by less belong to one shell, which is cut as a whole."""
MAX_REACH = 4
"""Cells are searched this far away at most, along each lattice vector."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """All pairs of atoms and images that could be neighbours, wherever the atoms are in the cell.

    They follow from cells and numbers of atoms alone, and are the same in every Langevin step.
    Both directions of a pair are listed.
    """

    sender: Tensor
    """``(pairs,)`` int64."""
    receiver: Tensor
    """``(pairs,)`` int64."""
    offset: Tensor
    """S · L of the sender's image, ``(pairs, 3)``, Å."""
    image: Tensor
    """Row of each pair's image in :attr:`shifts`, ``(pairs,)`` int64."""
    shifts: Tensor
    """S of every image of every crystal, ``(images, 3)`` int64."""
    mirror: Tensor
    """Index of the same pair in the other direction, ``(pairs,)`` int64."""
    slot: Tensor
    """Row times width plus column of each pair in a table with a row per receiver, ``(pairs,)``
    int64."""
    width: int
    """Columns of that table."""
    num_atoms: int

    @classmethod
    def of(cls, cell: Tensor, atoms_per_crystal: Tensor, radius: float) -> Self:
        """List the candidates of a batch; this synchronises with the device, for their number.

        Args:
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å, with a volume.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless.
            radius: Longest edge, Å.
        """
        # An atom of the home cell is less than one height from a face, so that images within the
        # radius are at most radius/height + 1 cells away.
        reach = (radius / heights(cell) + 1.0).floor().clamp(1, MAX_REACH).to(torch.int64)
        wide = 2 * reach + 1
        images = wide.prod(dim=1)  # (crystals,)
        owner, rank = _ranks(images)
        # Images are counted from −reach to reach along each axis, the last one fastest.
        z, rest = _divided(rank, wide[owner, 2])
        y, x = _divided(rest, wide[owner, 1])
        shifts = torch.stack((x, y, z), dim=1) - reach[owner]
        offsets = to_cartesian(shifts.to(cell.dtype), cell, owner)

        # First all pairs of atoms in the home cell, then all images of each: few numbers are
        # looked up for the many.
        crystal, rank = _ranks(atoms_per_crystal.square())
        size, count = atoms_per_crystal[crystal], images[crystal]
        sender, receiver = _divided(rank, size)
        start = count.cumsum(0) - count
        first_atom = (atoms_per_crystal.cumsum(0) - atoms_per_crystal)[crystal]
        reverse = torch.arange(len(rank), device=rank.device) - rank + sender * size + receiver
        width = int((atoms_per_crystal * images).max())

        pair = torch.repeat_interleave(count)
        rank = torch.arange(len(pair), device=pair.device) - start.index_select(0, pair)
        image = (images.cumsum(0) - images)[crystal].index_select(0, pair) + rank
        row = (first_atom + receiver) * width + sender * count
        return cls(
            sender=(first_atom + sender).index_select(0, pair),
            receiver=(first_atom + receiver).index_select(0, pair),
            offset=offsets.index_select(0, image),
            image=image,
            shifts=shifts,
            # In the other direction, images are counted backwards: S becomes −S.
            mirror=(start[reverse] + count - 1).index_select(0, pair) - rank,
            slot=row.index_select(0, pair) + rank,
            width=width,
            num_atoms=int(atoms_per_crystal.sum()),
        )

    def connect(
        self,
        positions: Tensor,
        radius: float,
        max_neighbours: int,
        cut: Literal["either", "literal"] = "either",
    ) -> Edges:
        """Connect each atom to the nearest ones; this synchronises with the device.

        Args:
            positions: Cartesian, in the home cell, ``(atoms, 3)``, Å.
            radius: Longest edge, Å.
            max_neighbours: Neighbours of each atom.
            cut: See ``CrystalGenerationConfig.cut``.

        Returns:
            Edges, both directions of each pair, sorted by receiver.
        """
        receivers, senders = (positions.index_select(0, k) for k in (self.receiver, self.sender))
        vectors = receivers - senders - self.offset
        x, y, z = vectors.unbind(1)
        squares = x * x + y * y + z * z  # much faster than a sum over three columns
        near = (squares <= radius * radius) & (squares > _COINCIDENT)
        nearest = self._nearest(squares.masked_fill(~near, torch.inf), max_neighbours, cut)
        mask = near & nearest
        if cut == "literal":
            # Of each pair, the original keeps one direction before it mirrors it, so that only the
            # neighbours of the atom that is listed later count.
            x, y, z = self.shifts.index_select(0, self.image).unbind(1)
            negative = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
            own = (self.sender == self.receiver) & negative
            mask = mask & ((self.sender < self.receiver) | own)
        # GemNet updates both directions of an edge together, so that both must be there.
        mask = mask | mask.index_select(0, self.mirror)
        pairs = mask.nonzero()[:, 0]
        pairs = pairs[torch.argsort(self.receiver[pairs], stable=True)]
        edge = torch.empty_like(self.mirror)
        edge[pairs] = torch.arange(len(pairs), device=pairs.device)
        lengths = squares[pairs].sqrt()
        return Edges(
            sender=self.sender[pairs],
            receiver=self.receiver[pairs],
            mirror=edge[self.mirror[pairs]],
            lengths=lengths,
            directions=vectors[pairs] / lengths.unsqueeze(1),
            num_atoms=self.num_atoms,
        )

    def _nearest(
        self, squares: Tensor, max_neighbours: int, cut: Literal["either", "literal"]
    ) -> Tensor:
        """Return which pairs are among the shortest of their receiver, ``(pairs,)``.

        A shell of pairs of equal length is kept as a whole; by the literal rule only as many of it
        as there is room for.
        """
        if self.width <= max_neighbours:
            return torch.ones_like(squares, dtype=torch.bool)
        table = squares.new_full((self.num_atoms * self.width,), torch.inf)
        table = table.index_copy_(0, self.slot, squares).view(self.num_atoms, self.width)
        if cut == "either":
            nearest = table.topk(max_neighbours, dim=1, largest=False, sorted=False).values
            # A shell cut in two would depend on the order of atoms, and on rounding.
            limits = nearest.amax(dim=1) + _SAME_SHELL
            return squares <= limits.index_select(0, self.receiver)
        columns = table.sort(dim=1, stable=True).indices[:, :max_neighbours]
        mask = torch.zeros_like(table, dtype=torch.bool).scatter_(1, columns, True)
        return mask.flatten()[self.slot]


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The edges of a decoder: both directions of each pair, sorted by receiver."""

    sender: Tensor
    """``(edges,)`` int64."""
    receiver: Tensor
    """``(edges,)`` int64."""
    mirror: Tensor
    """Index of the same pair in the other direction, ``(edges,)`` int64."""
    lengths: Tensor
    """``(edges,)``, Å."""
    directions: Tensor
    """Unit vectors from sender to receiver, ``(edges, 3)``."""
    num_atoms: int


def _ranks(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the group of each of ``sum(counts)`` items, and its rank within the group."""
    group = torch.repeat_interleave(counts)
    start = counts.cumsum(0) - counts
    return group, torch.arange(len(group), device=counts.device) - start[group]


def _divided(numbers: Tensor, by: Tensor) -> tuple[Tensor, Tensor]:
    """Return remainder and quotient; one division of integers, which is slow, instead of two."""
    quotient = numbers // by
    return numbers - quotient * by, quotient
