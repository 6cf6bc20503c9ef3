"""Lengths of edges as smooth functions that end at the cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_model_sevennet.config import SevenNetConfig


class RadialBasis(nn.Module):
    """2/c · sin(k_n r)/r times an envelope, with wave numbers k_n that start at n π/c."""

    def __init__(self, config: SevenNetConfig) -> None:
        """Start at the waves of a free particle in a sphere."""
        super().__init__()
        self.config = config
        numbers = torch.arange(1, config.radial_functions + 1).float()
        self.wave_numbers = nn.Parameter(numbers * (math.pi / config.cutoff))

    def forward(self, lengths: Tensor) -> Tensor:
        """Return the radial functions of lengths.

        Args:
            lengths: ``(edges,)``, Å.

        Returns:
            ``(edges, functions)``, Å⁻².
        """
        waves = torch.sin(lengths.unsqueeze(1) * self.wave_numbers)
        amplitude = 2.0 / self.config.cutoff * self.envelope(lengths) / lengths
        return amplitude.unsqueeze(1) * waves

    def envelope(self, lengths: Tensor) -> Tensor:
        """Return what messages are multiplied by, ``(edges,)``, dimensionless.

        Args:
            lengths: ``(edges,)``, Å.
        """
        cutoff = self.config.cutoff
        if self.config.envelope == "polynomial":
            return polynomial_envelope(lengths / cutoff, self.config.envelope_power)
        return xplor(lengths, self.config.onset, cutoff)


def xplor(lengths: Tensor, onset: float, cutoff: float) -> Tensor:
    """Return the switching function of X-PLOR: 1 below the onset, 0 beyond the cutoff.

    (c² − r²)² (c² + 2 r² − 3 a²) / (c² − a²)³ between onset a and cutoff c. Its first derivative
    is continuous, its second is not.

    Args:
        lengths: r, ``(edges,)``, Å.
        onset: a, Å.
        cutoff: c, Å.

    Returns:
        ``(edges,)``, dimensionless.

    >>> xplor(torch.tensor([1.0, 4.5, 5.0, 6.0]), 4.5, 5.0)
    tensor([1., 1., 0., 0.])
    """
    squared = lengths.clamp(min=onset, max=cutoff).square()
    width = cutoff**2 - onset**2
    return (cutoff**2 - squared).square() * (cutoff**2 + 2 * squared - 3 * onset**2) / width**3
