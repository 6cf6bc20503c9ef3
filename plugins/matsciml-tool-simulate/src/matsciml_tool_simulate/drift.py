"""Drift of the energy of dynamics: a straight line, fitted as the energies come in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class EnergyDrift:
    """Least squares of E(t) = a + b t, from sums that do not grow with the number of points."""

    origin: float | None = None
    """Energy of the first point, eV/atom. It is subtracted from all: total energies have five
    digits before the point, and a drift starts at the sixth behind it."""
    sums: list[float] = field(default_factory=lambda: [0.0] * 6)
    """Number of points, Σt, ΣE, Σt², ΣtE and ΣE²."""
    largest: float = 0.0
    """Largest deviation from the first point, eV/atom."""

    def add(self, time: float, energy: float) -> None:
        """Add a point.

        Args:
            time: ps.
            energy: eV/atom.
        """
        if self.origin is None:
            self.origin = energy
        value = energy - self.origin
        terms = (1.0, time, value, time * time, time * value, value * value)
        self.sums = [total + term for total, term in zip(self.sums, terms, strict=True)]
        self.largest = max(self.largest, abs(value))

    @property
    def slope(self) -> float:
        """The drift b, eV/atom/ps; NaN with fewer than two points."""
        count, time, value, square, mixed, _ = self.sums
        spread = count * square - time * time  # n² times the variance of t
        return (count * mixed - time * value) / spread if spread > 0 else math.nan

    @property
    def fluctuation(self) -> float:
        """Root mean square distance from the line, eV/atom; NaN with fewer than two points."""
        count, time, value, _, mixed, square = self.sums
        if math.isnan(self.slope):
            return math.nan
        covariance = mixed / count - time * value / count**2
        # What the line does not explain: Var(E) − b Cov(t, E); rounding may take it below zero.
        variance = square / count - (value / count) ** 2 - self.slope * covariance
        return math.sqrt(max(variance, 0.0))
