"""Bonds, which are edges without direction, and the angles between short ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from matsciml_core import CrystalBatch, MessageGraph
from matsciml_core.errors import ShapeError
from matsciml_core.nn.segments import Segments


@dataclass(frozen=True, kw_only=True)
class BondGraph:
    """What CHGNet connects beside atoms.

    The two edges of a bond, there and back, share its features. Two short edges into one atom make
    an angle, in both orders, an edge and its own reverse included where an atom is bonded to two
    of its own images.
    """

    bond: Tensor
    """The bond of each edge, ``(edges,)`` int64."""
    edge: Tensor
    """One of the two edges of each bond, ``(bonds,)`` int64."""
    short: Tensor
    """The short bonds, ``(short,)`` int64."""
    short_edges: Tensor
    """The edges of short bonds, ``(short edges,)`` int64, ascending."""
    short_of_edge: Tensor
    """The number among the short bonds of each short edge, ``(short edges,)`` int64."""
    angles: Segments
    """The angles of each short edge, as the first of the two edges."""
    second: Tensor
    """The second short edge of each angle, ``(angles,)`` int64."""

    @classmethod
    def of(cls, batch: CrystalBatch, lengths: Tensor, cutoff: float) -> Self:
        """Find bonds and angles.

        Args:
            batch: Crystals with all edges within a cutoff.
            lengths: Of the edges, ``(edges,)``, Å.
            cutoff: Bonds below it are short, Å.

        Raises:
            ShapeError: The batch carries no edges, or an edge without its reverse.
        """
        receiver = MessageGraph.of(batch).incoming.index
        reverse = _reverses(batch)
        numbers = torch.arange(len(reverse), device=reverse.device)
        forward = numbers < reverse
        edge = forward.nonzero()[:, 0]
        bond = (forward.cumsum(0) - 1).index_select(0, torch.minimum(numbers, reverse))
        # By the bond, so that rounding cannot make one of its edges short and the other not.
        is_short = lengths.detach().index_select(0, edge) < cutoff
        short = is_short.nonzero()[:, 0]
        short_edges = is_short.index_select(0, bond).nonzero()[:, 0]
        short_of_edge = (is_short.cumsum(0) - 1).index_select(0, bond.index_select(0, short_edges))
        angles, second = _pairs(receiver.index_select(0, short_edges), batch.num_atoms)
        return cls(
            bond=bond,
            edge=edge,
            short=short,
            short_edges=short_edges,
            short_of_edge=short_of_edge,
            angles=angles,
            second=second,
        )


def _reverses(batch: CrystalBatch) -> Tensor:
    """Return for each edge the one that leads back, ``(edges,)`` int64.

    Two edges with shifts S and −S and swapped ends are a bond. Numbers that stand for (sender,
    receiver, S) are sorted, and those of all reverses are: the orders match.
    """
    sender, receiver = batch.edge_index.unbind(0)  # type: ignore[union-attr] # graph was made
    shift = batch.cell_shift.to(torch.int64)  # type: ignore[union-attr]
    reach = int(shift.abs().max()) if len(shift) else 0
    base = 2 * reach + 1

    def key(first: Tensor, second: Tensor, shifts: Tensor) -> Tensor:
        number = first * batch.num_atoms + second
        for axis in range(3):
            number = number * base + shifts[:, axis] + reach
        return number

    ahead, back = key(sender, receiver, shift), key(receiver, sender, -shift)
    of_ahead, of_back = ahead.argsort(), back.argsort()
    if not torch.equal(ahead[of_ahead], back[of_back]):
        raise ShapeError(
            "An edge of the batch has no reverse, so that bonds cannot be made; attach all "
            "neighbours within the cutoff, without a cap."
        )
    return torch.empty_like(of_ahead).index_copy(0, of_back, of_ahead)


def _pairs(receiver: Tensor, num_atoms: int) -> tuple[Segments, Tensor]:
    """Return all ordered pairs of different edges into one atom.

    Args:
        receiver: The atom of each edge, ``(edges,)`` int64, ascending.
        num_atoms: How many atoms there are.
    """
    degree = torch.bincount(receiver, minlength=num_atoms)
    start = (degree.cumsum(0) - degree).index_select(0, receiver)  # (edges,)
    partners = degree.index_select(0, receiver)  # itself included
    edges = torch.arange(len(receiver), device=receiver.device)
    first = edges.repeat_interleave(partners)
    position = torch.arange(len(first), device=receiver.device)
    position = position - (partners.cumsum(0) - partners).index_select(0, first)
    second = start.index_select(0, first) + position
    different = first != second
    return Segments(first[different], partners - 1), second[different]
