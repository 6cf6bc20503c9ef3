"""Energy against volume, and the equation of state of Birch and Murnaghan that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import units
from numpy.polynomial import Polynomial

from matsciml_core.errors import ConfigError
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_physics.crystals import deformed, relax_crystal, require_crystal

Relaxed = Literal["none", "atoms", "shape"]
FEWEST = 5
"""Fewest volumes: one more than the equation has parameters."""


@dataclass(frozen=True, kw_only=True)
class VolumeEnergy:
    """Energy at one volume."""

    volume: float
    """Å³."""
    energy: float
    """eV."""
    converged: bool
    """Whether no force was left; true where nothing was to be relaxed."""


@dataclass(frozen=True, kw_only=True)
class BirchMurnaghan:
    """Parameters of the third-order equation of Birch and Murnaghan, and how well they fit."""

    volume: float
    """V₀, where the energy is least, Å³."""
    energy: float
    """E₀, eV."""
    bulk_modulus: float
    """B₀, GPa."""
    derivative: float
    """B₀′ = dB/dP at zero pressure, dimensionless."""
    residual: float
    """Root mean square of the differences between energies and the fit, eV."""

    def energy_at(self, volume: Any) -> Any:
        """Return the energy of the fit, eV.

        Args:
            volume: Å³, a number or an array.
        """
        square = (self.volume / np.asarray(volume)) ** (2 / 3)
        scale = 9 / 16 * self.volume * self.bulk_modulus * units.GPa
        excess = square - 1
        return self.energy + scale * (excess**3 * self.derivative + excess**2 * (6 - 4 * square))


@dataclass(frozen=True, kw_only=True)
class EquationOfState:
    """Energies of one crystal at several volumes, and what was fitted to them."""

    formula: str
    num_atoms: int
    relaxed: Relaxed
    points: Sequence[VolumeEnergy]
    """By rising volume."""
    fit: BirchMurnaghan | None
    """None: the energies have no minimum among or near them."""

    @property
    def inside(self) -> bool:
        """Whether the energy is least within the volumes, not beyond them."""
        volumes = [point.volume for point in self.points]
        return self.fit is not None and min(volumes) < self.fit.volume < max(volumes)

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        low, high = self.points[0].volume, self.points[-1].volume
        notices = []
        if self.fit is None:
            notices.append(
                f"The energies between {low:z.3f} and {high:z.3f} Å³ have no minimum among or "
                "near them, so that there is no equation of state; relax the cell first, or "
                "take a larger span."
            )
        elif not self.inside:
            notices.append(
                f"The minimum at {self.fit.volume:z.3f} Å³ lies outside of the volumes, "
                f"{low:z.3f} to {high:z.3f} Å³, and is extrapolated; relax the cell first, or take "
                "a larger span."
            )
        unfinished = sum(not point.converged for point in self.points)
        if unfinished:
            notices.append(
                f"At {unfinished} of {len(self.points)} volumes forces were left when the steps "
                "ran out; allow more steps, or larger forces."
            )
        return notices


def equation_of_state(
    atoms: Any,
    *,
    span: float = 0.06,
    points: int = 11,
    relaxed: Relaxed = "atoms",
    largest_force: float = 0.005,
    steps: int = 300,
    report: Report = silent,
) -> EquationOfState:
    """Compute energies of a crystal at several volumes, and fit an equation of state.

    Args:
        atoms: ASE Atoms with a calculator; they are left as they are.
        span: Volumes reach from 1 − span to 1 + span times that of the atoms, dimensionless.
        points: Number of volumes, evenly spaced.
        relaxed: What is relaxed at each volume: nothing, the ``atoms``, or atoms and ``shape``.
        largest_force: Force that is left, eV/Å.
        steps: Most steps of a relaxation.
        report: Receives progress.

    Returns:
        The energies and the fit.

    Raises:
        ConfigError: The atoms are no crystal, or a setting is out of range.
        DataError: The model's energies are not finite.
    """
    require_crystal(atoms, "An equation of state")
    if points < FEWEST or not 0 < span < 1:
        raise ConfigError(
            f"An equation of state needs at least {FEWEST} volumes and a span between 0 and 1."
        )
    meter = Meter("volumes", report, unit="volumes", total=points)
    found = []
    for ratio in np.linspace(1 - span, 1 + span, points):
        scaled = deformed(atoms, ratio ** (1 / 3) * np.eye(3))
        converged = relax_crystal(scaled, relaxed, largest_force=largest_force, steps=steps)
        energy = float(scaled.get_potential_energy())
        found.append(
            VolumeEnergy(volume=float(scaled.get_volume()), energy=energy, converged=converged)
        )
        meter.add()
    meter.finish()
    return EquationOfState(
        formula=atoms.get_chemical_formula(),
        num_atoms=len(atoms),
        relaxed=relaxed,
        points=found,
        fit=fit([point.volume for point in found], [point.energy for point in found]),
    )


def fit(volumes: Sequence[float], energies: Sequence[float]) -> BirchMurnaghan | None:
    """Fit the equation of Birch and Murnaghan by least squares.

    The equation is a polynomial of third order in x = V^(−2/3), so that no first guess is needed.

    Args:
        volumes: Å³.
        energies: eV.

    Returns:
        The parameters; None where the polynomial has no minimum among the volumes, or no farther
        beyond them than half of their range: what is extrapolated further means nothing.

    References:
        F. Birch, Phys. Rev. 71, 809 (1947), doi:10.1103/PhysRev.71.809.
    """
    middle = float(np.mean(volumes))
    # Relative to the mean volume, so that powers of x are of order one in any cell.
    x = (middle / np.asarray(volumes)) ** (2 / 3)
    polynomial = Polynomial.fit(x, energies, 3)
    curvature = polynomial.deriv(2)
    roots: list[complex] = polynomial.deriv().roots().tolist()
    low, high = min(volumes), max(volumes)
    reach = (high - low) / 2
    minima = [
        root.real
        for root in roots
        if abs(root.imag) < 1e-12
        and root.real > 0
        and curvature(root.real) > 0
        and low - reach < middle * root.real**-1.5 < high + reach
    ]
    if not minima:
        return None
    # A cubic has one minimum at most.
    least = min(minima)
    volume = middle * least**-1.5
    # B = V d²E/dV², where dx/dV = −2x/3V and dE/dx vanishes.
    modulus = curvature(least) * (2 / 3 * least) ** 2 / volume
    # The coefficient of (V₀/V)² in the equation is 9/16 V₀B₀ (B₀′ − 4).
    cubic = polynomial.deriv(3)(0.0) / 6 * least**3
    return BirchMurnaghan(
        volume=float(volume),
        energy=float(polynomial(least)),
        bulk_modulus=float(modulus / units.GPa),
        derivative=float(4 + cubic * 16 / (9 * volume * modulus)),
        residual=float(np.sqrt(np.mean((polynomial(x) - np.asarray(energies)) ** 2))),
    )
