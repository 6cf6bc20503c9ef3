"""SevenNet as a MatSciML encoder."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.segments import segment_mean
from matsciml_model_sevennet.config import SevenNetConfig
from matsciml_model_sevennet.layers import Features, Interaction
from matsciml_model_sevennet.radial import RadialBasis
from matsciml_util_equivariant.edge_kernels import EdgeGeometry

ELEMENT_ROWS = 119
"""Rows of the table of elements: the row is the atomic number, 1 to 118; row 0 is not used."""


class SevenNet(Encoder):
    """SevenNet: NequIP's interactions with features that are all even under inversion.

    The atom embedding is the scalars of the last layer, of which the energy is a linear function,
    ``(atoms, widths[0])``; the crystal embedding is its mean. Both are invariant to rotation and
    translation, and **not** to reflection: the network multiplies vectors by directions as if both
    were pseudovectors, so that it sees the handedness of a crystal. Of an achiral crystal it gives
    two different energies, and forces on atoms in inversion centres.

    References:
        Park et al., J. Chem. Theory Comput. 20, 4857 (2024), doi:10.1021/acs.jctc.4c00190, as the
        authors' program has it with ``is_parity: False``; Batzner et al., Nat. Commun. 13, 2453
        (2022), doi:10.1038/s41467-022-29939-5, for the interaction.
    """

    config: SevenNetConfig
    neighbours: Neighbourhood

    def __init__(self, config: SevenNetConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: those of SevenNet-0.
        """
        config = config or SevenNetConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.atom_width = self.crystal_width = config.widths[0]
        self.elements = nn.Embedding(ELEMENT_ROWS, config.widths[0])
        self.radial = RadialBasis(config)
        self.layers = nn.ModuleList()
        arriving = config.widths[:1]
        for number in range(config.num_layers):
            last = number == config.num_layers - 1
            leaving = config.widths[:1] if last else config.widths
            self.layers.append(Interaction(config, arriving, leaving))
            arriving = leaving
        self.last_layers = (f"layers.{config.num_layers - 1}",)

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with all edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
        """
        graph = MessageGraph.of(batch)
        # bfloat16 would round a tensor differently in every orientation.
        with torch.autocast(self.elements.weight.device.type, enabled=False):
            edges = self._geometry(batch, graph)
            x: Features = (self.elements(batch.atomic_numbers).unsqueeze(1),)
            for layer in self.layers:
                x = layer(x, edges)
        atoms: Tensor = x[0].squeeze(1)
        return Embedding(atoms=atoms, crystals=segment_mean(atoms, graph.nodes))

    def _geometry(self, batch: CrystalBatch, graph: MessageGraph) -> EdgeGeometry:
        vectors = batch.edge_vectors()  # (edges, 3), Å
        lengths = torch.linalg.vector_norm(vectors, dim=1)  # (edges,), Å
        # From receiver to sender, as in the weights: here the sign of a vector matters.
        directions = (-vectors / lengths.unsqueeze(1)).to(self.elements.weight.dtype)
        degrees = list(range(len(self.config.widths)))
        return EdgeGeometry(
            sender=graph.sender,
            incoming=graph.incoming,
            harmonics=o3.spherical_harmonics(degrees, directions, False, "component"),
            radial=self.radial(lengths.to(directions.dtype)),
        )
