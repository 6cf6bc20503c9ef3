"""The variational encoder: DimeNet++ with a latent read-out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch
from matsciml_core.interfaces.generation import LatentEmbedding
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.segments import Segments, segment_mean
from matsciml_model_cdvae.config import CDVAEConfig
from matsciml_model_cdvae.dimenet import DimeNetEncoder


class LatentReadout(nn.Module):
    """A vector per crystal → mean and variance of a normal distribution, and a sample of it."""

    def __init__(self, width_in: int, width: int) -> None:
        """Build the two layers."""
        super().__init__()
        self.mean = nn.Linear(width_in, width)
        self.log_variance = nn.Linear(width_in, width)

    def forward(self, values: Tensor, atoms: Tensor) -> LatentEmbedding:
        """Return the distribution.

        Args:
            values: ``(crystals, width_in)``, dimensionless.
            atoms: The embedding of atoms to pass on, ``(atoms, atom_width)``, dimensionless.

        Returns:
            With ``crystals`` a sample in training mode, the mean in evaluation mode.
        """
        mean, log_variance = self.mean(values), self.log_variance(values)
        latent = mean
        if self.training:
            # Mean plus scaled noise (Kingma, Welling, ICLR 2014, section 2.4), through which
            # gradients reach both.
            latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return LatentEmbedding(atoms=atoms, crystals=latent, mean=mean, log_variance=log_variance)


class CDVAEEncoder(DimeNetEncoder):
    """The encoder of CDVAE; its crystal embedding is a point of a latent space.

    In training mode the point is a sample of the distribution that the crystal is encoded to, in
    evaluation mode it is the mean. Heads of any kind can be trained on it.

    References:
        Xie, Fu, Ganea, Barzilay, Jaakkola, ICLR 2022, arXiv:2110.06197. Deviations: the graph is
        of the nearest neighbours, where the original has the bonds that CrystalNN finds; the
        composition has a path of its own to the latent distribution (``composition_path``, off in
        ``published``), since through the messages alone it arrives last, and a crystal can only be
        reconstructed once it has arrived; see also :class:`DimeNet`.
    """

    config: CDVAEConfig

    def __init__(self, config: CDVAEConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or CDVAEConfig()
        super().__init__(config)
        width = config.embedding_width
        self.elements: ElementEmbedding | None = None
        if config.composition_path:
            self.elements = ElementEmbedding(config.latent_width, config.elements)
            width += config.latent_width
        self.readout = LatentReadout(width, config.latent_width)
        self.crystal_width = config.latent_width

    def forward(self, batch: CrystalBatch) -> LatentEmbedding:
        """Embed a batch as :class:`DimeNetEncoder` does, with the latent distribution.

        Args:
            batch: Crystals with edges.
        """
        atoms, crystals = self.embed(batch)
        # In full precision, as the embedding: a rounded latent vector is another crystal's.
        with torch.autocast(crystals.device.type, enabled=False):
            if self.elements is not None:
                segments = Segments(batch.crystal_index, batch.atoms_per_crystal)
                composition = segment_mean(self.elements(batch.atomic_numbers), segments)
                crystals = torch.cat((crystals, composition), dim=1)
            embedding: LatentEmbedding = self.readout(crystals, atoms)
        return embedding
