"""Neighbours of atoms that move in every step: a batched search over fixed candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from matsciml_model_cdvae.lattice import heights, to_cartesian

_COINCIDENT = 1e-4
"""Squared distance, Å², below which two atoms are one, and are not connected."""
_SAME_SHELL = 1e-3
"""Squared distances, Å², that differ by less are of one shell, which is kept or cut as a whole."""
MOST_IMAGES = 4
"""Cells are searched this far away at most, along each lattice vector."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """All pairs of atoms and images that could be neighbours, whatever the atoms do in the cell.

    They follow from cells and numbers of atoms alone, and are the same in every Langevin step.
    Both directions of a pair are there, the second in the order of the first.
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
    """Place of the same pair seen from the other atom, ``(pairs,)`` int64."""
    place: Tensor
    """Place of each pair in a table with a row per receiver, ``(pairs,)`` int64."""
    width: int
    """Columns of that table."""
    num_atoms: int

    @classmethod
    def of(cls, cell: Tensor, atoms_per_crystal: Tensor, radius: float) -> Self:
        """List the candidates of a batch; this waits for the device, for their number.

        Args:
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å, with a volume.
            atoms_per_crystal: ``(crystals,)`` int64.
            radius: Longest edge, Å.
        """
        reach = (radius / heights(cell) + 1.0).floor().clamp(1, MOST_IMAGES).to(torch.int64)
        images = (2 * reach + 1).prod(dim=1)  # (crystals,)
        owner, number = _ranks(images)
        shifts = _shifts(number, reach[owner])
        offsets = to_cartesian(shifts.to(cell.dtype), cell, owner)

        # First all pairs of atoms in the home cell, then all images of each: few numbers are
        # looked up for the many.
        crystal, rank = _ranks(atoms_per_crystal.square())
        size, count = atoms_per_crystal[crystal], images[crystal]
        sender, receiver = _divided(rank, size)
        start = count.cumsum(0) - count
        first = (atoms_per_crystal.cumsum(0) - atoms_per_crystal)[crystal]
        other = torch.arange(len(rank), device=rank.device) - rank + sender * size + receiver
        width = int((atoms_per_crystal * images).max())

        pair = torch.repeat_interleave(count)
        number = torch.arange(len(pair), device=pair.device) - start.index_select(0, pair)
        table = (images.cumsum(0) - images)[crystal].index_select(0, pair) + number
        row = (first + receiver) * width + sender * count
        return cls(
            sender=(first + sender).index_select(0, pair),
            receiver=(first + receiver).index_select(0, pair),
            offset=offsets.index_select(0, table),
            image=table,
            shifts=shifts,
            # The other way round, images are counted backwards.
            mirror=(start[other] + count - 1).index_select(0, pair) - number,
            place=row.index_select(0, pair) + number,
            width=width,
            num_atoms=int(atoms_per_crystal.sum()),
        )

    def connect(
        self,
        positions: Tensor,
        radius: float,
        most: int,
        cut: Literal["either", "literal"] = "either",
    ) -> Edges:
        """Connect each atom to the nearest ones; this waits for the device, for their number.

        Args:
            positions: Cartesian, in the home cell, ``(atoms, 3)``, Å.
            radius: Longest edge, Å.
            most: Neighbours of each atom.
            cut: See ``CrystalGenerationConfig.cut``.

        Returns:
            Edges, both directions of each pair, sorted by receiver.
        """
        receivers, senders = (
            positions.index_select(0, end) for end in (self.receiver, self.sender)
        )
        vectors = receivers - senders - self.offset
        x, y, z = vectors.unbind(1)
        squares = x * x + y * y + z * z  # much faster than a sum over three columns
        near = (squares <= radius * radius) & (squares > _COINCIDENT)
        kept = near & self._nearest(squares.masked_fill(~near, torch.inf), most, cut)
        if cut == "literal":
            kept = kept & self._ordered()
        kept = kept | kept.index_select(0, self.mirror)
        chosen = kept.nonzero()[:, 0]
        order = torch.argsort(self.receiver[chosen], stable=True)
        chosen = chosen[order]
        number = torch.empty_like(self.mirror)
        number[chosen] = torch.arange(len(chosen), device=chosen.device)
        lengths = squares[chosen].sqrt()
        return Edges(
            sender=self.sender[chosen],
            receiver=self.receiver[chosen],
            mirror=number[self.mirror[chosen]],
            lengths=lengths,
            directions=vectors[chosen] / lengths.unsqueeze(1),
            num_atoms=self.num_atoms,
        )

    def _nearest(self, squares: Tensor, most: int, cut: Literal["either", "literal"]) -> Tensor:
        """Return which pairs are among the ``most`` shortest of their receiver, ``(pairs,)``.

        A shell of pairs of equal length is taken as a whole; by the literal rule the first ones
        of it are.
        """
        if self.width <= most:
            return torch.ones_like(squares, dtype=torch.bool)
        table = squares.new_full((self.num_atoms * self.width,), torch.inf)
        table = table.index_copy_(0, self.place, squares).view(self.num_atoms, self.width)
        if cut == "either":
            nearest = table.topk(most, dim=1, largest=False, sorted=False).values
            limits = nearest.amax(dim=1) + _SAME_SHELL
            return squares <= limits.index_select(0, self.receiver)
        first = table.sort(dim=1, stable=True).indices[:, :most]
        chosen = torch.zeros_like(table, dtype=torch.bool).scatter_(1, first, True)
        return chosen.flatten()[self.place]

    def _ordered(self) -> Tensor:
        """Return the pairs of which the original keeps one direction before it mirrors them."""
        x, y, z = self.shifts.index_select(0, self.image).unbind(1)
        negative = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
        return (self.sender < self.receiver) | ((self.sender == self.receiver) & negative)


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The edges that a decoder works on: both directions of each pair, sorted by receiver."""

    sender: Tensor
    """``(edges,)`` int64."""
    receiver: Tensor
    """``(edges,)`` int64."""
    mirror: Tensor
    """The same pair in the other direction, ``(edges,)`` int64."""
    lengths: Tensor
    """``(edges,)``, Å."""
    directions: Tensor
    """Unit vectors from sender to receiver, ``(edges, 3)``."""
    num_atoms: int


def _ranks(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the group of each of ``sum(counts)`` items, and its rank within the group."""
    group = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return group, torch.arange(len(group), device=counts.device) - first[group]


def _divided(numbers: Tensor, by: Tensor) -> tuple[Tensor, Tensor]:
    """Return remainder and quotient."""
    quotient = numbers // by
    return numbers - quotient * by, quotient


def _shifts(image: Tensor, reach: Tensor) -> Tensor:
    """Return the images of numbers that count them from −reach to reach, the last axis fastest."""
    wide = 2 * reach + 1
    z, rest = _divided(image, wide[:, 2])
    y, x = _divided(rest, wide[:, 1])
    return torch.stack((x, y, z), dim=1) - reach
