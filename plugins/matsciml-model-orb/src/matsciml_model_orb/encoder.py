"""Orb v3 as a MatSciML encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, Neighbourhood
from matsciml_core.errors import ShapeError
from matsciml_core.nn.elements import reject_elements
from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.harmonics import HARMONICS, harmonics
from matsciml_core.nn.segments import Segments, segment_mean
from matsciml_model_orb.config import OrbConfig
from matsciml_model_orb.layers import (
    CUTOFF,
    Bessel,
    Interaction,
    Perceptron,
    Repulsion,
)

ROWS = 119
"""Rows of the table of elements, which atomic numbers count from 0."""
HEAVIEST = 117
"""Heaviest element; that of oganesson has no successor, whose radius the repulsion asks for."""


class Orb(Encoder):
    """Orb v3: a network of perceptrons that is told directions, and has no symmetry but shifts.

    The energy of a turned crystal differs by what training left of it. The atom embedding ends in
    the energy per atom, eV, which the network reads out of the mean of the others, the same for
    all atoms of a crystal: ``(atoms, width + 1)``; the crystal embedding is its mean.

    References:
        Rhodes et al., arXiv:2504.06231 (2025), as the conservative networks of orb-models 0.5.5
        have it. The repulsion of nuclei there is a mean over atoms, which is added to the energy of
        the whole crystal; so it is here, and energies per atom of close atoms depend on the cell.
    """

    config: OrbConfig
    neighbours: Neighbourhood

    def __init__(self, config: OrbConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings.
        """
        config = config or OrbConfig()
        super().__init__(config)
        width = config.width
        hidden = (config.hidden,) * config.num_hidden
        self.neighbours = Neighbourhood(cutoff=CUTOFF, max_neighbours=config.max_neighbours)
        self.atom_width = self.crystal_width = width + 1
        self.elements = nn.Embedding(ROWS, width)
        self.lengths = Bessel(config.radial_functions)
        self.atoms = Perceptron((width, *hidden, width), norm=True)
        self.edges = Perceptron((config.radial_functions * HARMONICS, *hidden, width), norm=True)
        self.interactions = nn.ModuleList(
            Interaction((3 * width, *hidden, width)) for _ in range(config.num_interactions)
        )
        readout = (config.readout_width,) * config.readout_hidden
        self.readout = Perceptron((width, *readout, 1), norm=False)
        self.repulsion = Repulsion() if config.repulsion else None
        self.last_layers = (f"interactions.{config.num_interactions - 1}", "readout")

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with all edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
            DataError: There is no such element in the network.
        """
        if batch.edge_index is None:
            raise ShapeError("Orb needs edges; attach neighbours within its cutoff to the batch.")
        reject_elements(batch.atomic_numbers, batch.atomic_numbers > HEAVIEST, "Orb")
        # Of its neighbours an atom keeps the nearest as those that it sends to, where a batch has
        # those that it receives from: so edges are turned round.
        receiving, sending = batch.edge_index
        vectors = -batch.edge_vectors().to(self.elements.weight.dtype)  # (edges, 3)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        cutoffs = polynomial_envelope(lengths / CUTOFF, 4).unsqueeze(1)
        edges = self.edges(cutoffs * self._products(vectors, lengths))
        atoms = self.atoms(self.elements(batch.atomic_numbers))
        for interaction in self.interactions:
            atoms, edges = interaction(atoms, edges, (sending, receiving), cutoffs)
        nodes = Segments(batch.crystal_index, batch.atoms_per_crystal)
        means = segment_mean(atoms, nodes)  # (crystals, width)
        energies = self.readout(means)
        if self.repulsion is not None:
            numbers = batch.atomic_numbers
            ends = numbers.index_select(0, sending), numbers.index_select(0, receiving)
            pairs = self.repulsion(lengths, ends)
            sites = pairs.new_zeros(len(numbers)).index_add(0, sending, pairs)
            share = segment_mean(sites.unsqueeze(1), nodes)
            energies = energies + share / batch.atoms_per_crystal.unsqueeze(1)
        atoms = torch.cat((atoms, energies.index_select(0, batch.crystal_index)), dim=1)
        return Embedding(atoms=atoms, crystals=torch.cat((means, energies), dim=1))

    def _products(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Return the products of radial functions and harmonics, ``(edges, functions · 16)``."""
        angular = harmonics(functional.normalize(vectors, dim=1))
        return (self.lengths(lengths).unsqueeze(2) * angular.unsqueeze(1)).flatten(1)
