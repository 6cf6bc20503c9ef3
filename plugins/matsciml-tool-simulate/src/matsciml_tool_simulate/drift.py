"""How well dynamics conserve the energy: a straight line through it, fitted as it comes in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class EnergyDrift:
    """Least squares of E(t) = a + b t, from sums that do not grow with the number of points."""

    first: float | None = None
    """First value, eV/atom, which is subtracted from all, so that no digits are lost."""
    sums: list[float] = field(default_factory=lambda: [0.0] * 6)
    """Number of points, Σt, ΣE, Σt², ΣtE and ΣE²."""
    largest: float = 0.0
    """Largest deviation from the first value, eV/atom."""

    def add(self, time: float, energy: float) -> None:
        """Add a point.

        Args:
            time: ps.
            energy: eV/atom.
        """
        if self.first is None:
            self.first = energy
        value = energy - self.first
        new = (1.0, time, value, time * time, time * value, value * value)
        self.sums = [old + one for old, one in zip(self.sums, new, strict=True)]
        self.largest = max(self.largest, abs(value))

    @property
    def slope(self) -> float:
        """The drift b, eV/atom/ps; NaN with fewer than two points."""
        count, time, value, square, mixed, _ = self.sums
        spread = count * square - time * time
        return (count * mixed - time * value) / spread if spread > 0 else math.nan

    @property
    def fluctuation(self) -> float:
        """Root mean square distance from the line, eV/atom; NaN with fewer than two points."""
        count, time, value, _, mixed, square = self.sums
        if math.isnan(self.slope):
            return math.nan
        covariance = mixed / count - time * value / count**2
        variance = square / count - (value / count) ** 2 - self.slope * covariance
        return math.sqrt(max(variance, 0.0))
