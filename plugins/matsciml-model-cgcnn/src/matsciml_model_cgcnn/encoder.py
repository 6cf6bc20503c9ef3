"""CGCNN as a MatSciML encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.dense import ACTIVATIONS
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.segments import segment_gather, segment_mean
from matsciml_model_cgcnn.config import CGCNNConfig
from matsciml_model_cgcnn.convolution import GatedConvolution
from matsciml_model_cgcnn.geometry import describe_edges

_SMALLEST_VARIANCE = 1e-4
"""Added to variances before the root, whose derivative at zero, where all atoms are alike, would be
infinite."""


class CGCNN(Encoder):
    """CGCNN: atoms start as elements, and convolutions mix in their neighbours by distance.

    The atom embedding is what the read-out sees of an atom, ``(atoms, width)``; the crystal
    embedding its mean and standard deviation over the atoms, ``(crystals, 2 width)``, or the mean
    alone. Both depend on lengths only.

    References:
        Xie, Grossman, Phys. Rev. Lett. 120, 145301 (2018), doi:10.1103/PhysRevLett.120.145301.
        Deviations, and what the default settings add, are listed in the plugin's README.
    """

    config: CGCNNConfig
    neighbours: Neighbourhood

    def __init__(self, config: CGCNNConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or CGCNNConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(
            cutoff=config.cutoff, max_neighbours=config.max_neighbours, uses="lengths"
        )
        moments = config.readout == "moments"
        self.atom_width = config.width
        self.crystal_width = 2 * config.width if moments else config.width
        self.elements = ElementEmbedding(config.width, config.elements, deviation=0.1)
        self.convolutions = nn.ModuleList(
            GatedConvolution(config) for _ in range(config.num_layers)
        )
        self.readout = (
            nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, config.width))
            if moments
            else None
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
        v = self.elements(graph.atomic_numbers)  # (nodes, width)
        distances = torch.linalg.vector_norm(batch.edge_vectors(), dim=1).to(v.dtype)
        edges = describe_edges(distances, graph, self.config)
        for convolution in self.convolutions:
            v = convolution(v, edges, graph)
        if self.readout is None:
            return Embedding(atoms=graph.to_atoms(v), crystals=segment_mean(v, graph.nodes))
        v = ACTIVATIONS[self.config.activation](self.readout(v).to(v.dtype))
        return Embedding(atoms=graph.to_atoms(v), crystals=_moments(v, graph))


def _moments(v: Tensor, graph: MessageGraph) -> Tensor:
    """Return mean and standard deviation over the atoms of each crystal, ``(crystals, 2 width)``.

    The deviation tells how different the atoms are, which a mean of few numbers cannot say; unlike
    a sum it is the same in every supercell.
    """
    mean = segment_mean(v, graph.nodes)
    # In two passes: the difference of two nearly equal means would lose its digits.
    variance = segment_mean((v - segment_gather(mean, graph.nodes)).square(), graph.nodes)
    return torch.cat((mean, (variance + _SMALLEST_VARIANCE).sqrt()), dim=1)
