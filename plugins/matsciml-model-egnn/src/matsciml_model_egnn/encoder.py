"""E(n)-GNN as a MatSciML encoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding, Encoder, Neighbourhood
from matsciml_core.nn.dense import DenseStack
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.message_graph import MessageGraph
from matsciml_core.nn.segments import segment_mean, segment_sum
from matsciml_core.nn.tracing import is_traced
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.features import DistanceFeatures
from matsciml_model_egnn.layer import EdgeGeometry, EGNNLayer
from matsciml_model_egnn.layers import ACTIVATIONS, Senders

_ELEMENT_ROWS = 119
"""Atomic numbers run from 1 to 118."""


class EGNN(Encoder):
    """E(n)-GNN: atoms send messages along edges, and move a little while they do.

    Atom features start from the element. In every layer each edge vector is computed anew from
    the current positions, with the image shift of the neighbour list held fixed, so all images of
    an atom move with it. The atom embedding is a dense network of the final features,
    ``(atoms, 128)`` by default; the crystal embedding its mean or sum.

    Where the batch has an asymmetric unit, messages go to symmetry-distinct atoms only, and their
    displacements are carried to the others by the symmetry operations.

    References:
        Satorras, Hoogeboom, Welling, E(n) Equivariant Graph Neural Networks, ICML (2021),
        arXiv:2102.09844. Deviations are listed in the plugin's README.
    """

    config: EGNNConfig
    neighbours: Neighbourhood

    def __init__(self, config: EGNNConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or EGNNConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(
            cutoff=config.cutoff,
            max_neighbours=config.max_neighbours,
            uses="vectors" if config.update_positions else "lengths",
        )
        self.atom_width = self.crystal_width = config.projection_widths[-1]
        self.element_embedding = ElementEmbedding(
            config.width, config.elements, rows=config.element_rows, padding=True
        )
        self.input = nn.Linear(config.width, config.width)
        self.distance = DistanceFeatures(config)
        # No layer looks at where the last one would move the atoms; the reference program has that
        # network all the same.
        moves = [config.update_positions] * (config.num_layers - 1) + [config.last_position_network]
        self.layers = nn.ModuleList(
            EGNNLayer(config, self.distance.width, moves=layer_moves) for layer_moves in moves
        )
        self.projection = DenseStack(
            config.width, config.projection_widths, ACTIVATIONS[config.activation]
        )

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
        """
        graph = MessageGraph.of(batch)
        h, _ = self.propagate(batch, graph)
        nodes = self.projection(h).to(h.dtype)  # (nodes, embedding)
        read = segment_mean if self.config.readout == "mean" else segment_sum
        return Embedding(atoms=graph.to_atoms(nodes), crystals=read(nodes, graph.nodes))

    def displacements(self, batch: CrystalBatch) -> Tensor:
        """Return how far the layers have moved each atom.

        Args:
            batch: Crystals with edges.

        Returns:
            ``(atoms, 3)``, Å. They turn with the crystal. More than about 0.5 Å for any atom means
            that training is about to become unstable.

        Raises:
            ShapeError: The batch carries no edges.
        """
        graph = MessageGraph.of(batch)
        return graph.vectors_to_atoms(self.propagate(batch, graph)[1])

    def propagate(self, batch: CrystalBatch, graph: MessageGraph) -> tuple[Tensor, Tensor]:
        """Run all layers.

        Args:
            batch: Crystals with edges.
            graph: Their message graph.

        Returns:
            Node features ``(nodes, width)`` and displacements ``(nodes, 3)``, Å.
        """
        numbers = graph.atomic_numbers
        if self.config.element_rows < _ELEMENT_ROWS:  # elements beyond the table share row 0
            numbers = torch.where(numbers < self.config.element_rows, numbers, 0)
        elements = self.element_embedding(numbers)
        h = self.input(elements).to(elements.dtype)
        initial = batch.edge_vectors().to(h.dtype)
        moved = h.new_zeros(h.shape[0], 3)
        fused = _fusing(initial)
        edges = self.geometry(initial, fused=fused)
        senders = Senders(graph.sender, h.shape[0])
        last = len(self.layers) - 1
        for number, module in enumerate(self.layers):
            layer = cast(EGNNLayer, module)
            # What the last layer would move is never looked at.
            move = self.config.update_positions and number < last
            h, step = layer(h, edges, graph, senders, move=move)
            if number < last:
                h = ACTIVATIONS[self.config.activation](h)
            if step is not None:
                moved = moved + step
                edges = self.geometry(initial + graph.differences(moved), fused=fused)
        return h, moved

    def geometry(self, vectors: Tensor, *, fused: bool = False) -> EdgeGeometry:
        """Return what a layer needs to know of the edges at their current vectors.

        Args:
            vectors: From each edge's sender to its receiver, ``(edges, 3)``, Å.
            fused: Whether the layers go over the edges in blocks.
        """
        squared = vectors.square().sum(dim=1)
        distances = squared.sqrt()
        config = self.config
        return EdgeGeometry(
            vectors=vectors,
            distances=distances,
            features=self.distance(squared, distances),
            scale=polynomial_envelope(distances / config.cutoff, 6) if config.envelope else None,
            fused=fused,
        )


def _fusing(vectors: Tensor) -> bool:
    """Return whether to go over the edges in blocks: on a CPU; a GPU has no large cache."""
    return vectors.device.type == "cpu" and not is_traced(vectors)
