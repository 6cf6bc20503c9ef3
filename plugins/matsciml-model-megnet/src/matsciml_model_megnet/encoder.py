"""MEGNet as a MatSciML encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_model_megnet.block import Features, MEGNetBlock
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.features import (
    NINE,
    GaussianExpansion,
    nine_statistics,
    reduced_numbers,
)
from matsciml_model_megnet.layers import activated_stack
from matsciml_model_megnet.set2set import Set2Set

ELEMENT_ROWS = 119
"""Rows of the element embedding: the row is the atomic number, 1 to 118; row 0 is not used."""


class MEGNet(Encoder):
    """MEGNet: edges, atoms and the crystal carry features that update one another in blocks.

    The atom embedding is what the last block leaves on the atoms, ``(atoms, width)``. The crystal
    embedding is the Set2Set of the atoms, the Set2Set of the edges and the state, joined:
    ``(crystals, 5 width)``. The network's output layers are not part of the encoder; a task head
    takes their place.

    Distances are those of the periodic images that the neighbour list names, so with the default
    inputs the embedding does not change under rotation, reflection, translation, wrapping, or the
    choice of supercell. ``node_extra="positions"`` and ``state_deviation="sample"`` give some of
    that up to repeat the benchmark paper literally.

    References:
        Chen, Ye, Zuo, Zheng, Ong, Chem. Mater. 31, 3564 (2019),
        doi:10.1021/acs.chemmater.9b01294. Deviation: the element table has 119 rows.
    """

    config: MEGNetConfig
    neighbours: Neighbourhood

    def __init__(self, config: MEGNetConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or MEGNetConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(
            cutoff=config.cutoff, max_neighbours=config.max_neighbours, uses="lengths"
        )
        self.atom_width = config.width
        self.crystal_width = 5 * config.width
        self.needs_whole_crystals = config.node_extra == "positions"
        self.element_embedding = ElementEmbedding(
            config.element_width, config.elements, rows=ELEMENT_ROWS, deviation=0.1
        )
        self.state_embedding = (
            nn.Embedding(config.state_rows, config.state_width)
            if config.state == "embedding"
            else None
        )
        # Centres go on for 1 Å behind the cutoff, as in matgl, whose weights can be read.
        self.expansion = GaussianExpansion(
            config.cutoff + 1.0, config.gaussian_centres, config.gaussian_exponent
        )
        centres = config.gaussian_centres
        edge_width = {"gaussian": centres, "gaussian_mu": centres + 1, "r_mu": 2}[
            config.edge_features
        ]
        atom_width = config.element_width + 3 * (config.node_extra == "positions")
        state_width = {"zeros": 2, "nine": NINE, "embedding": config.state_width}[config.state]
        hidden, activation = config.hidden_widths, config.activation
        self.encode_edges = activated_stack(edge_width, hidden, activation)
        self.encode_atoms = activated_stack(atom_width, hidden, activation)
        self.encode_state = activated_stack(state_width, hidden, activation)
        self.blocks = nn.ModuleList(
            MEGNetBlock(config, first=number == 0) for number in range(config.num_blocks)
        )
        layers, iterations = config.set2set_layers, config.set2set_iterations
        self.read_atoms = Set2Set(config.width, layers, iterations)
        self.read_edges = Set2Set(config.width, layers, iterations)
        self.dropout = nn.Dropout(config.dropout)

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
        return self.embed(self.inputs(batch, graph), graph)

    def inputs(self, batch: CrystalBatch, graph: MessageGraph) -> Features:
        """Return what edges, atoms and crystals start with, in the dtype of the parameters."""
        dtype = self.element_embedding.dtype
        distances = torch.linalg.vector_norm(batch.edge_vectors(), dim=1).to(dtype)  # (edges,)
        numbers = graph.atomic_numbers.to(dtype)
        # A pass over all edges, which most settings do not need.
        mu = numbers.new_empty(0)
        if self.config.edge_features != "gaussian" or self.config.state == "nine":
            mu = reduced_numbers(numbers, graph.sender, graph.incoming)
        return Features(
            edges=self._edges(distances, mu),
            atoms=self._atoms(batch, graph),
            state=self._state(numbers, distances, mu, graph),
        )

    def embed(self, inputs: Features, graph: MessageGraph) -> Embedding:
        """Run the network on given inputs.

        Args:
            inputs: Edge, atom and crystal features, as wide as the settings say.
            graph: Who is connected to whom.

        Returns:
            The embedding.
        """
        x = Features(
            edges=self.encode_edges(inputs.edges),
            atoms=self.encode_atoms(inputs.atoms),
            state=self.encode_state(inputs.state),
        )
        for block in self.blocks:
            x = block(x, graph)
        atoms = self.read_atoms(x.atoms, graph.nodes)
        edges = self.read_edges(x.edges, graph.edges)
        crystals = torch.cat((atoms, edges, x.state), dim=1)  # (crystals, 5 width)
        return Embedding(atoms=graph.to_atoms(x.atoms), crystals=self.dropout(crystals))

    def _edges(self, distances: Tensor, mu: Tensor) -> Tensor:
        if self.config.edge_features == "r_mu":
            return torch.stack((distances, mu), dim=1)
        expanded: Tensor = self.expansion(distances)
        if self.config.edge_features == "gaussian":
            return expanded
        return torch.cat((expanded, mu.unsqueeze(1)), dim=1)

    def _atoms(self, batch: CrystalBatch, graph: MessageGraph) -> Tensor:
        elements: Tensor = self.element_embedding(graph.atomic_numbers)
        if self.config.node_extra == "none":
            return elements
        return torch.cat((batch.positions.to(elements.dtype), elements), dim=1)

    def _state(self, numbers: Tensor, distances: Tensor, mu: Tensor, graph: MessageGraph) -> Tensor:
        crystals = graph.nodes.lengths.shape[0]
        if self.state_embedding is not None:
            row = self.state_embedding.weight[self.config.state_index]
            return row.expand(crystals, -1)
        if self.config.state == "zeros":
            # A placeholder, as in the paper: through it the blocks exchange what concerns a whole
            # crystal.
            return distances.new_zeros(crystals, 2)
        sample = self.config.state_deviation == "sample"
        return nine_statistics(numbers, distances, mu, graph.nodes, graph.edges, sample=sample)
