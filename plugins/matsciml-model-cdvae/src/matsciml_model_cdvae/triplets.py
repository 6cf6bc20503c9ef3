"""Pairs of edges that meet at an atom, as one dense table per atom.

Sums over triplets are products of small dense matrices: the edges of each atom are put into slots,
so that the angles at an atom are a matrix of slots times slots, and the sum over one of the edges
is a batched matrix product. Nothing is ever gathered per triplet, and no index of triplets exists.
Everything follows from the sorted edge list by index arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

_IMAGE_BASE = 2048
"""Base of the integer that encodes an image; images are fewer cells away than half of it."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """A slot for each edge in a table with a row of slots per atom."""

    index: Tensor
    """Row times width plus slot, ``(edges,)`` int64."""
    rows: int
    """Number of atoms."""
    width: int
    """Slots of each atom: the largest number of edges at any of them."""

    @classmethod
    def of(cls, atoms: Tensor, num_atoms: int) -> Self:
        """Give edges slots at the atoms they belong to.

        This synchronises with the device once, for the width.

        Args:
            atoms: Atom of each edge, ``(edges,)`` int64, in any order, dimensionless.
            num_atoms: Number of atoms.
        """
        counts = torch.zeros(num_atoms, dtype=torch.int64, device=atoms.device)
        counts.index_add_(0, atoms, torch.ones_like(atoms))
        width = max(int(counts.max()), 1) if num_atoms else 1
        order = torch.argsort(atoms, stable=True)
        start = counts.cumsum(0) - counts
        ranks = torch.arange(len(atoms), device=atoms.device)
        ranks = ranks - start.index_select(0, atoms.index_select(0, order))
        slot = torch.empty_like(atoms).index_copy_(0, order, ranks)
        return cls(index=atoms * width + slot, rows=num_atoms, width=width)

    def spread(self, values: Tensor) -> Tensor:
        """Put the values of the edges into the table.

        Args:
            values: ``(edges, ...)``, in any unit.

        Returns:
            ``(atoms, width, ...)``; zero in empty slots.
        """
        table = values.new_zeros(self.rows * self.width, *values.shape[1:])
        return table.index_copy(0, self.index, values).view(
            self.rows, self.width, *values.shape[1:]
        )

    def collect(self, table: Tensor) -> Tensor:
        """Take the values of the edges out of a table.

        Args:
            table: ``(atoms, width, ...)``, in any unit.

        Returns:
            ``(edges, ...)``.
        """
        return table.flatten(0, 1).index_select(0, self.index)

    @property
    def filled(self) -> Tensor:
        """Whether a slot has an edge, ``(atoms, width)`` bool."""
        table = torch.zeros(self.rows * self.width, dtype=torch.bool, device=self.index.device)
        return table.index_fill_(0, self.index, True).view(self.rows, self.width)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All paths k → j → i of two edges, by their middle atom."""

    incoming: Slots
    """The edges k → j, at j."""
    outgoing: Slots
    """The edges j → i, at j."""
    allowed: Tensor
    """Which pairs are summed over, ``(atoms, outgoing width, incoming width)`` bool."""

    @classmethod
    def of(
        cls,
        edge_index: Tensor,
        cell_shift: Tensor,
        num_atoms: int,
        excluded: Literal["edge", "atom"],
    ) -> Self:
        """Pair edges.

        Args:
            edge_index: Sender and receiver, ``(2, edges)`` int64, dimensionless.
            cell_shift: Image of the sender, ``(edges, 3)``, dimensionless.
            num_atoms: Number of atoms.
            excluded: The paths that are left out. ``edge``: those that return to the very atom
                they came from. ``atom``: those that return to it or to any image of it.
        """
        sender, receiver = edge_index.unbind(0)
        incoming, outgoing = Slots.of(receiver, num_atoms), Slots.of(sender, num_atoms)
        start = incoming.spread(sender).unsqueeze(1)  # (atoms, 1, incoming)
        end = outgoing.spread(receiver).unsqueeze(2)  # (atoms, outgoing, 1)
        returns = start == end
        if excluded == "edge":
            # One integer per image, such that opposite images have opposite ones: a path returns
            # to its very start where the shifts of its two edges add up to zero.
            x, y, z = cell_shift.to(torch.int64).unbind(1)
            image = (x * _IMAGE_BASE + y) * _IMAGE_BASE + z
            there, back = incoming.spread(image).unsqueeze(1), outgoing.spread(image).unsqueeze(2)
            returns = returns & (there + back == 0)
        real = incoming.filled.unsqueeze(1) & outgoing.filled.unsqueeze(2)
        return cls(incoming=incoming, outgoing=outgoing, allowed=real & ~returns)

    def cosines(self, directions: Tensor) -> Tensor:
        """Return the cosine between the two edges of each pair, as they are directed.

        Args:
            directions: Unit vectors along the edges, ``(edges, 3)``, dimensionless.

        Returns:
            ``(atoms, outgoing width, incoming width)``.
        """
        ahead, behind = self.outgoing.spread(directions), self.incoming.spread(directions)
        return torch.bmm(ahead, behind.transpose(1, 2))
