"""What an atom sees: how many bonds, how long, and to which elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from matsciml_core import CrystalBatch
from matsciml_core.nn.message_graph import MessageGraph
from matsciml_core.nn.segments import (
    Segments,
    segment_gather,
    segment_mean,
    segment_sum,
)

_DECAY = 0.5
"""Exponent of the weight of a bond whose length is the sum of the radii of its atoms."""
_FAINT = 1e-3
"""Weight that is added to the sum of an atom's bonds: an atom without neighbours has no mean."""
WIDTH = 3
"""Numbers that describe the surroundings of an atom."""


@dataclass(frozen=True)
class Surroundings:
    """The neighbours of the atoms of a batch, each with a weight that says how much a bond it is.

    With r the distance and s = r / (R_i + R_j) that in units of the sum of covalent radii, the
    weight is w = exp(−s⁴ / 2) · (1 + cos(π r / r_c)) / 2: about 0.6 at the length of a bond, 0.1 at
    1.5 times that, and continuous at the cutoff r_c.
    """

    graph: MessageGraph
    length: Tensor
    """r, ``(edges, 1)``, Å."""
    relative: Tensor
    """s, ``(edges, 1)``, dimensionless."""
    envelope: Tensor
    """The factor that goes to zero at the cutoff, ``(edges, 1)``, dimensionless."""
    weight: Tensor
    """w, ``(edges, 1)``, dimensionless."""
    cutoff: float
    """r_c, Å."""

    @classmethod
    def of(cls, batch: CrystalBatch, radii: Tensor, cutoff: float) -> Self:
        """Measure the edges of a batch.

        Args:
            batch: Crystals with edges.
            radii: Covalent radius by atomic number, ``(119,)``, Å.
            cutoff: Longest edge, Å.
        """
        graph = MessageGraph.of(batch)
        length = batch.edge_vectors().norm(dim=1, keepdim=True)
        radius = radii.index_select(0, graph.atomic_numbers).unsqueeze(1)  # (nodes, 1)
        both = segment_gather(radius, graph.incoming) + radius.index_select(0, graph.sender)
        relative = length / both
        envelope = 0.5 * (1.0 + torch.cos(math.pi * length / cutoff))
        weight = torch.exp(-_DECAY * relative**4) * envelope
        return cls(graph, length, relative, envelope, weight, cutoff)

    def of_nodes(self) -> tuple[Tensor, Tensor]:
        """Return what describes the surroundings of each node, and the sum of its weights.

        Returns:
            ``(nodes, 3)``: the sum of the weights, which is a coordination number without an edge;
            the weighted mean of s; and the distance to the nearest neighbour in units of the
            cutoff. The sum alone, ``(nodes, 1)``. All dimensionless.
        """
        incoming = self.graph.incoming
        total = segment_sum(self.weight, incoming)
        mean = segment_sum(self.weight * self.relative, incoming) / (total + _FAINT)
        # An atom that sees nothing has its nearest neighbour at the cutoff or beyond.
        nearest = torch.full_like(total, self.cutoff).scatter_reduce(
            0, incoming.index.unsqueeze(1), self.length, "amin"
        )
        return torch.cat([total, mean, nearest / self.cutoff], dim=1), total

    def differences(self, table: Tensor, total: Tensor) -> Tensor:
        """Return the mean absolute difference of the descriptors across the bonds of each crystal.

        Each atom counts the same, whatever the number of its bonds. Bonds are summed by the pair of
        elements first, of which a crystal has a few, and thousands of bonds.

        Args:
            table: A row for each atomic number, ``(119, columns)``, dimensionless.
            total: The sum of each node's weights, ``(nodes, 1)``, dimensionless.

        Returns:
            ``(crystals, columns)``, dimensionless.
        """
        nodes, incoming, rows = self.graph.nodes, self.graph.incoming, len(table)
        crystal = nodes.index.index_select(0, incoming.index)  # (edges,)
        numbers = self.graph.atomic_numbers
        pair = numbers.index_select(0, incoming.index) * rows
        pair = pair + numbers.index_select(0, self.graph.sender)
        keys, pair_of = torch.unique(crystal * rows**2 + pair, return_inverse=True)
        share = self.weight / (segment_gather(total, incoming) + _FAINT)
        for weights, index in ((incoming.weights, None), (nodes.weights, incoming.index)):
            if weights is not None:
                count = weights if index is None else weights.index_select(0, index)
                share = share * count.to(share.dtype).unsqueeze(1)
        sums = share.new_zeros(len(keys), 1).index_add(0, pair_of, share)
        first, second = (keys % rows**2) // rows, keys % rows
        values = sums * (table.index_select(0, first) - table.index_select(0, second)).abs()
        owner = keys // rows**2
        lengths = torch.bincount(owner, minlength=len(nodes.lengths))
        atoms = nodes.counts(values.dtype).unsqueeze(1)
        return segment_sum(values, Segments(owner, lengths)) / atoms

    def histogram(self, bins: int) -> Tensor:
        """Return how many neighbours an atom of each crystal has at each distance.

        Args:
            bins: Number of Gaussians, as wide as they are apart.

        Returns:
            ``(crystals, bins)``, dimensionless.
        """
        step = self.cutoff / bins
        centres = torch.arange(1, bins + 1).to(self.length) * step
        shapes = torch.exp(-(((self.length - centres) / step) ** 2)) * self.envelope
        return segment_mean(segment_sum(shapes, self.graph.incoming), self.graph.nodes)


def node_statistics(values: Tensor, nodes: Segments) -> Tensor:
    """Return mean, mean deviation, minimum and maximum over the nodes of each crystal.

    Args:
        values: ``(nodes, columns)``, dimensionless.
        nodes: The nodes of each crystal.

    Returns:
        ``(crystals, 4 · columns)``, dimensionless.
    """
    mean = segment_mean(values, nodes)
    deviation = segment_mean((values - segment_gather(mean, nodes)).abs(), nodes)
    ends = [torch.segment_reduce(values, kind, lengths=nodes.lengths) for kind in ("min", "max")]
    return torch.cat([mean, deviation, *ends], dim=1)
