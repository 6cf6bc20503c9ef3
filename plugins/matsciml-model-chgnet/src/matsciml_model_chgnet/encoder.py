"""CHGNet as a MatSciML encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.elements import reject_elements
from matsciml_core.nn.segments import segment_mean
from matsciml_model_chgnet.bases import Fourier, RadialBessel
from matsciml_model_chgnet.bond_graph import BondGraph
from matsciml_model_chgnet.config import CHGNetConfig
from matsciml_model_chgnet.layers import AtomConvolution, BondConvolution, GatedPerceptron, Part

ELEMENTS = 94
"""Hydrogen to plutonium."""


class CHGNet(Encoder):
    """CHGNet: atoms exchange messages along edges, and bonds along the angles between them.

    The atom embedding is what the energy is made of, and, as its last feature, what the network
    says of the magnetic moment in μB, ``(atoms, width + 1)``; the crystal embedding is its mean.

    References:
        Deng et al., Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3, as
        version 0.3.0 of the authors' program has it. The update of angles after the last update of
        bonds, which nothing reads, is left out.
    """

    config: CHGNetConfig
    neighbours: Neighbourhood

    def __init__(self, config: CHGNetConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: those of the pretrained weights.
        """
        config = config or CHGNetConfig()
        super().__init__(config)
        width, between = config.width, config.num_layers - 1
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.atom_width = self.crystal_width = width + 1
        self.elements = nn.Embedding(ELEMENTS, width)
        self.lengths = RadialBessel(config.radial_functions, config.cutoff, config.envelope_power)
        self.short_lengths = RadialBessel(
            config.radial_functions, config.bond_cutoff, config.envelope_power
        )
        self.angles = Fourier(config.angular_functions)
        self.bond_embedding = nn.Linear(config.radial_functions, width, bias=False)
        self.atom_weights = nn.Linear(config.radial_functions, width, bias=False)
        self.bond_weights = nn.Linear(config.radial_functions, width, bias=False)
        self.angle_embedding = nn.Linear(config.angular_functions, width, bias=False)
        self.atom_layers = nn.ModuleList(AtomConvolution(width) for _ in range(between + 1))
        self.bond_layers = nn.ModuleList(BondConvolution(width) for _ in range(between))
        self.angle_layers = nn.ModuleList(
            GatedPerceptron(4, width, hidden=False) for _ in range(max(between - 1, 0))
        )
        self.last_layers = (f"atom_layers.{between}", "norm")
        self.moments = nn.Linear(width, 1)
        self.norm = nn.LayerNorm(width)

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with all edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges, or edges were capped.
            DataError: An element is heavier than plutonium.
        """
        graph = MessageGraph.of(batch)
        vectors = batch.edge_vectors().to(self.bond_embedding.weight.dtype)  # (edges, 3)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        bond_graph = BondGraph.of(batch, lengths, self.config.bond_cutoff)
        of_bonds = lengths.index_select(0, bond_graph.edge)
        radial = self.lengths(of_bonds)  # (bonds, radial)
        numbers = batch.atomic_numbers
        reject_elements(numbers, numbers > ELEMENTS, "CHGNet")
        atoms = self.elements(numbers - 1)
        bonds, weights = self.bond_embedding(radial), self.atom_weights(radial)
        short = bonds.index_select(0, bond_graph.short)
        short_lengths = of_bonds.index_select(0, bond_graph.short)
        short_weights = self.bond_weights(self.short_lengths(short_lengths))
        directions = vectors / lengths.unsqueeze(1)
        angles = self.angle_embedding(self.angles(_cosines(directions, bond_graph)))
        edges = graph.sender, graph.incoming, bond_graph.bond
        moments = atoms
        for number, layer in enumerate(self.atom_layers):
            moments = atoms  # those before the last convolution
            atoms = layer(atoms, bonds, weights, edges)
            if number < len(self.bond_layers):
                before = short
                parts = _parts(short, angles, atoms, graph, bond_graph)
                short = self.bond_layers[number](short, short_weights, parts, bond_graph)
                bonds = bonds.index_add(0, bond_graph.short, short - before)
            if number < len(self.angle_layers):
                parts = _parts(short, angles, atoms, graph, bond_graph)
                angles = angles + self.angle_layers[number](parts)
        # Their size: with all moments reversed the energy is the same.
        moments = self.moments(moments).abs()  # (atoms, 1)
        features = torch.cat((self.norm(atoms), moments), dim=1)
        return Embedding(atoms=features, crystals=segment_mean(features, graph.nodes))


def _cosines(directions: Tensor, graph: BondGraph) -> Tensor:
    """Return the cosine of each angle, ``(angles,)``."""
    short = directions.index_select(0, graph.short_edges)
    first = short.index_select(0, graph.angles.index)
    return (first * short.index_select(0, graph.second)).sum(dim=1)


def _parts(
    bonds: Tensor, angles: Tensor, atoms: Tensor, graph: MessageGraph, bond_graph: BondGraph
) -> tuple[Part, ...]:
    """Return what meets at each angle: its two bonds, itself, and the atom between them."""
    first, second = bond_graph.angles.index, bond_graph.second
    between = graph.incoming.index.index_select(0, bond_graph.short_edges)
    return (
        (bonds, bond_graph.short_of_edge.index_select(0, first)),
        (bonds, bond_graph.short_of_edge.index_select(0, second)),
        (angles, None),
        (atoms, between.index_select(0, first)),
    )
