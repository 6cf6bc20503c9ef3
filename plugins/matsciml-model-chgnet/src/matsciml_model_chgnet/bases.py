"""Lengths and angles as smooth functions with learnt frequencies."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matsciml_core.nn.envelopes import polynomial_envelope

_BELOW_ONE = 1.0 - 1e-6
"""What cosines are multiplied by, as in the reference program: the derivative of the arc cosine is
infinite at ±1. Within 0.1° of a straight angle forces do not follow small displacements."""


class RadialBessel(nn.Module):
    """Bessel functions √(2/c) sin(f_n r/c)/r, with f_n = n π at first, times an envelope."""

    def __init__(self, functions: int, cutoff: float, envelope_power: int) -> None:
        """Start at the frequencies of free waves in a sphere.

        Args:
            functions: How many.
            cutoff: c, where they end, Å.
            envelope_power: p of the envelope.
        """
        super().__init__()
        self.cutoff = cutoff
        self.envelope_power = envelope_power
        self.frequencies = nn.Parameter(math.pi * torch.arange(1, functions + 1).float())

    def forward(self, lengths: Tensor) -> Tensor:
        """Evaluate the functions.

        Args:
            lengths: ``(bonds,)``, Å.

        Returns:
            ``(bonds, functions)``, Å^(-3/2).
        """
        scaled = (lengths / self.cutoff).unsqueeze(1)
        waves = (2.0 / self.cutoff) ** 0.5 * torch.sin(self.frequencies * scaled)
        envelope = polynomial_envelope(scaled, self.envelope_power)
        return envelope * waves / lengths.unsqueeze(1)


class Fourier(nn.Module):
    """1/√2, sin(f_n θ) and cos(f_n θ) over √π, with f_n = n at first."""

    def __init__(self, functions: int) -> None:
        """Start at whole frequencies.

        Args:
            functions: How many, an odd number.
        """
        super().__init__()
        self.frequencies = nn.Parameter(torch.arange(1, (functions + 1) // 2).float())

    def forward(self, cosines: Tensor) -> Tensor:
        """Evaluate the functions.

        Args:
            cosines: Of the angles, ``(angles,)``, dimensionless.

        Returns:
            ``(angles, functions)``, dimensionless.
        """
        phase = torch.acos(cosines * _BELOW_ONE).unsqueeze(1) * self.frequencies
        constant = torch.full_like(phase[:, :1], 0.5**0.5)
        return torch.cat((constant, phase.sin(), phase.cos()), dim=1) / math.pi**0.5
