"""CDVAE's networks as they are written from the papers' equations, triplet by triplet.

Layers, weights and neighbours are the plugin's. What differs is what the plugin does with dense
matrices: triplets are listed in Python loops, and messages are gathered for each of them,
multiplied by its angular functions, and scattered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from matsciml_core import CrystalBatch
from matsciml_core.nn.segments import Segments
from matsciml_model_cdvae.bases import legendre
from matsciml_model_cdvae.connect import Edges
from matsciml_model_cdvae.dimenet import DimeNet, EdgeFeatures
from matsciml_model_cdvae.gemnet import GemNetDecoder, Geometry


class PlainGeometry(Geometry):
    """Sums over triplets that are listed one by one."""

    def sum_over_triplets(self, messages: Tensor) -> Tensor:
        """Return, for each edge c → a, Σ_b Y_l(angle) times the message of b → a.

        Args:
            messages: ``(edges, width)``, dimensionless.
        """
        return _scattered(messages.unsqueeze(1), self.angles)


class PlainDecoder(GemNetDecoder):
    """The decoder with those sums."""

    def geometry(self, edges: Edges, radial: Tensor) -> Geometry:
        """List the triplets of edges.

        Args:
            edges: The edges.
            radial: Radial basis of their lengths, ``(edges, num_radial)``, dimensionless.
        """
        into = _grouped(edges.receiver.tolist())
        pairs = [(b, c) for group in into.values() for c in group for b in group if b != c]
        return PlainGeometry(
            edges=edges,
            incoming=Segments(
                edges.receiver, torch.bincount(edges.receiver, minlength=edges.num_atoms)
            ),
            slots=None,  # type: ignore[arg-type]
            angles=_weighted(pairs, edges.directions, self.degrees),
            radial_triplet=self.radial_triplet(radial),
            radial_atom=self.radial_atom(radial),
            radial_output=self.radial_output(radial),
            angular=torch.einsum("er,lri->eil", radial, self.angular),
        )


class PlainFeatures(EdgeFeatures):
    """Sums over paths that are listed one by one."""

    def sum_over_paths(self, messages: Tensor) -> Tensor:
        """Return, for each edge j → i, Σ_k Σ_l Y_l(angle) times the message of k → j.

        Args:
            messages: ``(edges, num_spherical, width)``, dimensionless.
        """
        return _scattered(messages, self.angles).sum(1)


class PlainDimeNet(DimeNet):
    """The encoder's network with those sums."""

    def features(self, batch: CrystalBatch) -> EdgeFeatures:
        """List the paths of a batch."""
        sender, receiver = batch.edge_index
        senders, receivers = sender.tolist(), receiver.tolist()
        images = batch.cell_shift.long().tolist()
        into = _grouped(receivers)
        # k → j → i, but for paths back to the very atom they came from.
        pairs = [
            (first, second)
            for second, middle in enumerate(senders)
            for first in into[middle]
            if senders[first] != receivers[second] or _sum(images[first], images[second]) != [0] * 3
        ]
        vectors = batch.edge_vectors()
        lengths = vectors.norm(dim=1)
        degrees = self.config.num_spherical
        return PlainFeatures(
            sender=sender,
            receiver=receiver,
            incoming=Segments(receiver, batch.edges_per_atom),
            radial=self.radial(lengths),
            distances=self.spherical(lengths),
            angles=_weighted(pairs, vectors / lengths.unsqueeze(1), degrees),
            paths=None,  # type: ignore[arg-type]
        )


def _grouped(atoms: Sequence[int]) -> dict[int, list[int]]:
    groups = defaultdict(list)
    for edge, atom in enumerate(atoms):
        groups[atom].append(edge)
    return groups


def _sum(first: Sequence[int], second: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(first, second, strict=True)]


def _weighted(pairs: Sequence[tuple[int, int]], directions: Tensor, degrees: int) -> Any:
    """Return both edges of each triplet, and Y_l of the angle between them."""
    first, second = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).unbind(1)
    cosines = (directions[first] * directions[second]).sum(1)
    return first, second, legendre(degrees, cosines).T


def _scattered(messages: Tensor, triplets: Any) -> Tensor:
    """Return, for each edge, the weighted sum over its triplets, ``(edges, degrees, width)``."""
    first, second, weights = triplets
    gathered = weights.unsqueeze(2) * messages[first]  # (triplets, degrees, width)
    total = gathered.new_zeros(len(messages), *gathered.shape[1:])
    return total.index_add(0, second, gathered)
