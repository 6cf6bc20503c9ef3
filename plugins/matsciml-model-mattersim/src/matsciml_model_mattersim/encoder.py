"""MatterSim as a MatSciML encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.elements import reject_elements
from matsciml_core.nn.segments import segment_mean
from matsciml_model_mattersim.config import MatterSimConfig
from matsciml_model_mattersim.layers import (
    RADIAL,
    AngleSums,
    GatedPerceptron,
    Interaction,
    SmoothRadial,
)

HEAVIEST = 94
"""Plutonium."""


class MatterSim(Encoder):
    """M3GNet as MatterSim has it: edges that know the angles at their atom.

    The atom embedding ends in the energy of the atom, eV, ``(atoms, width + 1)``; the crystal
    embedding is its mean.

    References:
        Yang et al., arXiv:2405.04967 (2024), and Chen and Ong, Nature Computational Science 2, 718
        (2022), doi:10.1038/s43588-022-00349-3, as version 1.2.3 of mattersim has it.
    """

    config: MatterSimConfig
    neighbours: Neighbourhood
    scales: Tensor
    """What the network's number for an atom is multiplied by, by atomic number, ``(95,)``, eV."""

    def __init__(self, config: MatterSimConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings.
        """
        config = config or MatterSimConfig()
        super().__init__(config)
        width = config.width
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.atom_width = self.crystal_width = width + 1
        self.lengths = SmoothRadial(config.cutoff)
        self.angles = AngleSums(config.cutoff, config.three_body_cutoff)
        self.elements = nn.Embedding(HEAVIEST + 1, width)
        self.edges = nn.Linear(RADIAL, width, bias=False)
        self.interactions = nn.ModuleList(Interaction(width) for _ in range(config.num_blocks))
        self.readout = GatedPerceptron(width, (width, width, 1), last_silu=False)
        self.register_buffer("scales", torch.ones(HEAVIEST + 1))
        self.last_layers = (f"interactions.{config.num_blocks - 1}", "readout")

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with all edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
            DataError: An element is heavier than plutonium.
        """
        graph = MessageGraph.of(batch)
        numbers = batch.atomic_numbers
        reject_elements(numbers, numbers > HEAVIEST, "MatterSim")
        vectors = batch.edge_vectors().to(self.edges.weight.dtype)  # (edges, 3)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        radial = self.lengths(lengths)  # (edges, 4)
        angles = self.angles(vectors / lengths.unsqueeze(1), lengths, graph.incoming)
        atoms = self.elements(numbers)
        edges = functional.silu(self.edges(radial))
        for interaction in self.interactions:
            atoms, edges = interaction(
                atoms, edges, (radial, angles), (graph.sender, graph.incoming)
            )
        energies = self.readout(atoms) * self.scales.index_select(0, numbers).unsqueeze(1)
        features = torch.cat((atoms, energies), dim=1)
        return Embedding(atoms=features, crystals=segment_mean(features, graph.nodes))
