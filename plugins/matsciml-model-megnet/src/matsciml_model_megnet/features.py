"""What edges and crystals start with: distances, reduced atomic numbers, nine statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core.nn.segments import Segments, segment_gather, segment_mean

NINE = 9
"""Number of state entries of ``state="nine"``."""

_NO_SPREAD = 1e-10
"""Variances below this count as zero: rounding of equal values, whose root has no derivative."""


class GaussianExpansion(nn.Module):
    """Expand a distance in Gaussians exp(−gamma (r − centre)²) on even centres.

    The centres are stored with the weights: the published ones carry the rounding of the program
    that made them, which moves a prediction by up to 1e-6 eV.
    """

    centres: Tensor

    def __init__(self, last: float, number: int, exponent: float) -> None:
        """Place the centres.

        Args:
            last: The last centre, Å; the first is at 0.
            number: Number of Gaussians.
            exponent: gamma, Å⁻²; a factor, not 1/(2 sigma²).
        """
        super().__init__()
        centres = torch.linspace(0.0, last, number, dtype=torch.float64)
        self.register_buffer("centres", centres.to(torch.get_default_dtype()))
        self.exponent = exponent

    def forward(self, distances: Tensor) -> Tensor:
        """Expand distances.

        Args:
            distances: ``(edges,)``, Å.

        Returns:
            ``(edges, number)``, dimensionless.
        """
        delta = distances.unsqueeze(1) - self.centres
        return (delta * delta).mul_(-self.exponent).exp_()


def reduced_numbers(atomic_numbers: Tensor, sender: Tensor, incoming: Segments) -> Tensor:
    """Return mu = Z₁Z₂/(Z₁ + Z₂) of each edge, ``(edges,)``, dimensionless.

    Args:
        atomic_numbers: ``(atoms,)`` floating point, dimensionless.
        sender: Sender atom of each edge, ``(edges,)`` int64, dimensionless.
        incoming: The edges that enter each atom.
    """
    first = atomic_numbers.index_select(0, sender)
    second = segment_gather(atomic_numbers, incoming)
    return first * second / (first + second)


def nine_statistics(
    atomic_numbers: Tensor,
    distances: Tensor,
    reduced: Tensor,
    atoms: Segments,
    edges: Segments,
    *,
    sample: bool,
) -> Tensor:
    """Return the nine numbers that describe a crystal in Table 7 of the benchmark paper.

    In this order: mean and deviation of Z over the adsorbate's atoms, mean and deviation of Z
    over the others, mean and deviation of the distance, mean and deviation of mu, distance
    between the two groups. A crystal has no adsorbate; all its atoms are in the first group, so
    entries 3, 4 and 9 are zero.

    Args:
        atomic_numbers: ``(atoms,)`` floating point, dimensionless.
        distances: ``(edges,)``, Å.
        reduced: mu, ``(edges,)``, dimensionless.
        atoms: The atoms of each crystal.
        edges: The edges of each crystal.
        sample: Divide variances by n − 1 rather than by n.

    Returns:
        ``(crystals, 9)``, dimensionless but for entries 5 and 6, Å.
    """
    number = _mean_and_deviation(atomic_numbers, atoms, sample=sample)
    length = _mean_and_deviation(distances, edges, sample=sample)
    mu = _mean_and_deviation(reduced, edges, sample=sample)
    zero = torch.zeros_like(number[0])
    return torch.stack((*number, zero, zero, *length, *mu, zero), dim=1)


def _mean_and_deviation(
    values: Tensor, segments: Segments, *, sample: bool
) -> tuple[Tensor, Tensor]:
    mean = segment_mean(values, segments)
    variance = segment_mean((values - segment_gather(mean, segments)).square(), segments)
    if sample:
        counts = segments.counts(values.dtype)
        variance = variance * counts / (counts - 1).clamp(min=1)
    # The root of zero has an infinite derivative; both branches of where are differentiated, so the
    # root is taken of ones there.
    spread = variance > _NO_SPREAD
    root = torch.where(spread, variance, torch.ones_like(variance)).sqrt()
    return mean, torch.where(spread, root, torch.zeros_like(root))
