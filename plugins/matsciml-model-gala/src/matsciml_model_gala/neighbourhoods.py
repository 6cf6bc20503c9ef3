"""Neighbourhoods of the centres of a batch, as a few dense blocks.

Attention compares every member of a neighbourhood with every other, so it wants dense tensors
``(centres, members, ..)``; but the number of members differs from atom to atom. Centres are
therefore sorted by it, and padded only to the longest of their block. The numbers of members must
be known to the host for that: it is the one place where a step waits for a device, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matsciml_core.nn.message_graph import MessageGraph

_BLOCK_OVERHEAD = 512
"""Tuples that could be worked on in the time that one more block costs."""
_PADDING = 0.05
"""Largest part of a block's tuples that may be padding, beyond the overhead."""


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """Some centres, with the members of their neighbourhoods."""

    centre_numbers: Tensor
    """Atomic numbers, ``(centres,)`` int64."""
    member_numbers: Tensor
    """Atomic numbers, ``(centres, members)`` int64."""
    vectors: Tensor
    """Displacements of the members from the centre, ``(centres, members, 3)``, Å."""
    mask: Tensor | None
    """Which members exist, ``(centres, members)`` bool; None: all."""
    weights: Tensor | None
    """How many atoms each centre stands for, ``(centres,)``; None: one."""


@dataclass(frozen=True)
class Block:
    """Which centres are worked on together."""

    centres: NDArray[np.int64]
    members: int


def plan(members: NDArray[np.int64], rank: int, limit: int) -> list[Block]:
    """Group centres with about as many members.

    Args:
        members: Members of each centre's neighbourhood, ``(centres,)``, at least 1,
            dimensionless.
        rank: Members of a tuple.
        limit: Most tuples in a block, unless a single centre has more.

    Returns:
        Blocks, which contain every centre once.
    """
    order = np.argsort(members, kind="stable")
    tuples = members[order].astype(np.int64) ** rank
    total = np.concatenate(([0], np.cumsum(tuples)))
    blocks, start = [], 0
    for end in _ends(tuples, total):
        most = int(tuples[end - 1])
        step = max(1, limit // most)
        for first in range(start, end, step):
            chosen = order[first : min(first + step, end)]
            blocks.append(Block(chosen, int(members[chosen[-1]])))
        start = end
    return blocks


def _ends(tuples: NDArray[np.int64], total: NDArray[np.int64]) -> Iterator[int]:
    """Yield where groups of sorted centres end, so that little is padded."""
    last = len(tuples)
    changes = [*(np.flatnonzero(np.diff(tuples)) + 1), last]
    start = end = 0
    for change in changes:
        real = int(total[change] - total[start])
        padded = (change - start) * int(tuples[change - 1]) - real
        if end > start and padded > max(_BLOCK_OVERHEAD, _PADDING * real):
            yield end
            start = end
        end = change
    if end > start:
        yield end


def gather(
    graph: MessageGraph,
    atomic_numbers: Tensor,
    vectors: Tensor,
    *,
    rank: int,
    limit: int,
    include_centre: bool,
) -> tuple[list[Neighbourhoods], Tensor]:
    """Collect the neighbourhoods of all centres of a batch.

    An atom without any neighbour is the only member of its own neighbourhood.

    Args:
        graph: The centres and their edges.
        atomic_numbers: Of the atoms of the batch, ``(atoms,)`` int64, dimensionless.
        vectors: Displacement along each edge, from the centre, ``(edges, 3)``, Å.
        rank: Members of a tuple.
        limit: Most tuples in a block.
        include_centre: Whether every centre is a member of its own neighbourhood.

    Returns:
        The blocks, and the place of each centre in them, one after the other, ``(centres,)``.
    """
    device = vectors.device
    counts = graph.incoming.lengths.cpu().numpy()
    offsets = np.cumsum(counts) - counts
    itself = (counts == 0) | include_centre
    blocks = plan(counts + itself, rank, limit)
    members = atomic_numbers.index_select(0, graph.sender_atom)
    # One more row, for centres and for padding: no displacement; its atomic number is not read.
    members = torch.cat((members, members.new_zeros(1)))
    rows = torch.cat((vectors, vectors.new_zeros(1, 3)))
    found = []
    for block in blocks:
        # A centre that is a member of its own comes first, before its neighbours.
        place = np.arange(block.members) - itself[block.centres, None]
        exists = place < counts[block.centres, None]
        edge = np.where(exists & (place >= 0), offsets[block.centres, None] + place, len(rows) - 1)
        index = torch.from_numpy(edge).to(device, non_blocking=True)
        centres = torch.from_numpy(block.centres).to(device, non_blocking=True)
        numbers = graph.atomic_numbers.index_select(0, centres)
        flat = index.flatten()
        found.append(
            Neighbourhoods(
                centre_numbers=numbers,
                member_numbers=torch.where(
                    index == len(rows) - 1,
                    numbers.unsqueeze(1),
                    members.index_select(0, flat).view_as(index),
                ),
                vectors=rows.index_select(0, flat).view(*index.shape, 3),
                mask=None
                if exists.all()
                else torch.from_numpy(exists).to(device, non_blocking=True),
                weights=None
                if graph.nodes.weights is None
                else graph.nodes.weights.index_select(0, centres),
            )
        )
    order = np.concatenate([block.centres for block in blocks])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return found, torch.from_numpy(place).to(device, non_blocking=True)
