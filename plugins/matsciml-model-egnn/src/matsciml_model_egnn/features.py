"""What a message sees of an edge's length."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_core.nn.radial import gaussian_basis
from matsciml_model_egnn.config import EGNNConfig


class DistanceFeatures(nn.Module):
    """Squared distances → the numbers that a message network is given.

    ``squared``: r², Å². ``scaled``: (r/cutoff)². ``gaussian``: exp(−(r − c_k)²/(2 s²)) with
    centres c_k evenly from 0 to the cutoff and s their spacing. ``bessel``:
    sqrt(2) sin(k π r/cutoff)/(k π r/cutoff) times the k-th frequency, which stays finite.

    References:
        Bessel functions: Gasteiger, Groß, Günnemann, Directional message passing for molecular
        graphs, ICLR (2020), arXiv:2003.03123, Eq. (7), scaled by the cutoff to be of order one.
    """

    def __init__(self, config: EGNNConfig) -> None:
        """Compute the constants."""
        super().__init__()
        self.kind = config.distance
        self.cutoff = config.cutoff
        expanded = config.distance in ("gaussian", "bessel")
        self.width = config.distance_functions if expanded else 1

    def forward(self, squared: Tensor, distances: Tensor) -> Tensor:
        """Return the features.

        Args:
            squared: r², ``(edges,)``, Å².
            distances: r, ``(edges,)``, Å.

        Returns:
            ``(edges, width)``, dimensionless but for ``squared``, Å².
        """
        if self.kind == "squared":
            return squared.unsqueeze(1)
        if self.kind == "scaled":
            return (squared / self.cutoff**2).unsqueeze(1)
        if self.kind == "gaussian":
            return gaussian_basis(distances / self.cutoff, self.width)
        index = torch.arange(1, self.width + 1, dtype=distances.dtype, device=distances.device)
        phases = (distances * (math.pi / self.cutoff)).unsqueeze(1)  # (edges, 1)
        return math.sqrt(2.0) * torch.sin(phases * index) / phases
