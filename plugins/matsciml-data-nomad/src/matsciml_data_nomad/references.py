"""Reference energies of the elements, so that energies of a method become comparable.

For each method, reference energies μ are fitted by least squares to E/N ≈ Σ x_i μ_i over the
training set, where E/N is the total energy per atom and x the fractions of the elements. What is
left, E/N − Σ x_i μ_i, is the label: the energy of the crystal beyond that of its elements as they
are on average in crystals, near zero and without what codes, pseudopotentials and cores add.

Crystals are read several times rather than kept, so memory does not grow with their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.elements import symbol
from matsciml_data_nomad.archive import Calculation
from matsciml_data_nomad.subsets import subset_of

MIN_CRYSTALS = 20
"""A method with fewer training crystals has no reference energies."""
MIN_PER_ELEMENT = 3
"""The same for a method with fewer training crystals for each element: it would fit anything."""
OUTLIER = 10.0
"""Crystals further off the reference energies, eV/atom, are failed calculations, and not fitted."""
UNKNOWN = "unknown functional"
_ELEMENTS = 119
"""Atomic numbers, of which 0 is none."""
_ROUNDS = 6
"""Most rounds of fitting and leaving out outliers; three or four are common."""
_SINGULAR = 1e-9
"""Eigenvalues below this, relative to the largest, mean combinations that no crystal determines."""
_OUTSIDE = 1e-6
"""Share of a composition along such a combination, dimensionless, that counts as none."""

Calculations = Callable[[], Iterable[Calculation]]
"""Yields all of them, anew for each call."""


@dataclass(kw_only=True)
class Fit:
    """Reference energies of a method."""

    energies: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_ELEMENTS))
    """By atomic number, eV/atom."""
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(_ELEMENTS, dtype=bool))
    """Whether each element occurs in training crystals, by atomic number."""
    undetermined: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, _ELEMENTS)))
    """Directions in the space of compositions that no training crystal determines."""
    crystals: int = 0
    """Training crystals that were fitted."""
    left_out: int = 0
    """Training crystals that were not, being outliers."""
    error: float = np.inf
    """Root mean square of the labels of the fitted crystals, eV/atom."""

    @property
    def suffices(self) -> bool:
        """Whether there are enough crystals for a fit that means something."""
        return self.crystals >= max(MIN_CRYSTALS, MIN_PER_ELEMENT * int(self.known.sum()))

    def residual(self, fractions: NDArray[np.float64], energy: float) -> float:
        """Return an energy beyond the reference energies, eV/atom.

        Args:
            fractions: Share of each element, by atomic number, ``(119,)``, dimensionless.
            energy: Total energy, eV/atom.
        """
        return float(energy - fractions @ self.energies)

    def determines(self, fractions: NDArray[np.float64]) -> bool:
        """Return whether training crystals say anything about a composition.

        Args:
            fractions: Share of each element, by atomic number, ``(119,)``, dimensionless.
        """
        if fractions[~self.known].any():
            return False
        return bool((np.abs(self.undetermined @ fractions) < _OUTSIDE).all())

    def as_data(self) -> dict[str, Any]:
        """Return the fit for a JSON file, by symbols of elements."""
        elements = np.flatnonzero(self.known).tolist()
        return {
            "crystals": self.crystals,
            "left_out": self.left_out,
            "rms_error": self.error,
            "energies": {symbol(element): self.energies[element] for element in elements},
            "undetermined": [
                {
                    symbol(element): direction[element]
                    for element in elements
                    if abs(direction[element]) > _OUTSIDE
                }
                for direction in self.undetermined
            ],
        }


@dataclass(frozen=True, kw_only=True)
class ReferenceEnergies:
    """Reference energies of all methods, and what has none."""

    fits: dict[str, Fit]
    """By method."""
    dropped: dict[str, int]
    """Crystals of methods without reference energies, by method."""
    lowest: dict[str, float]
    """Lowest total energy of a cell by reduced composition, eV, for the legacy label."""

    def formation_energy(self, calculation: Calculation) -> float | None:
        """Return the formation energy of a crystal, eV/atom; None where it is not determined."""
        fit = self.fits.get(calculation.method or UNKNOWN)
        if fit is None or calculation.energy is None:
            return None
        fractions = fractions_of(calculation.atomic_numbers)
        if not fit.determines(fractions):
            return None
        return fit.residual(fractions, calculation.energy / len(calculation.atomic_numbers))

    def as_data(self) -> dict[str, Any]:
        """Return what was fitted, and what was not, for a JSON file."""
        return {
            "format": "matsciml-reference-energies",
            "version": 1,
            "unit": "eV/atom",
            "methods": {name: fit.as_data() for name, fit in sorted(self.fits.items())},
            "dropped": dict(sorted(self.dropped.items())),
        }


def fit_references(calculations: Calculations) -> ReferenceEnergies:
    """Fit the reference energies of every method that has enough training crystals.

    Outliers are left out in rounds: one that is far off can spoil a fit so much that all crystals
    are far off, so the bound follows the error of the fit down.

    Args:
        calculations: Yields all crystals; called about five times.
    """
    counts, training, lowest = _count(calculations())
    fits = {method: Fit() for method, count in training.items() if count >= MIN_CRYSTALS}
    for _ in range(_ROUNDS):
        if not _refine(fits, calculations()):
            break
    fits = {method: fit for method, fit in fits.items() if fit.suffices}
    dropped = {method: count for method, count in counts.items() if method not in fits}
    return ReferenceEnergies(fits=fits, dropped=dropped, lowest=lowest)


def fractions_of(atomic_numbers: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the fraction of each element, by atomic number, ``(119,)``, dimensionless.

    Args:
        atomic_numbers: Of each atom, ``(atoms,)``, dimensionless.
    """
    return np.bincount(atomic_numbers, minlength=_ELEMENTS) / len(atomic_numbers)


def _count(
    calculations: Iterable[Calculation],
) -> tuple[Counter[str], Counter[str], dict[str, float]]:
    """Return crystals and training crystals by method, and the lowest energies."""
    counts: Counter[str] = Counter()
    training: Counter[str] = Counter()
    lowest: dict[str, float] = {}
    for calculation in calculations:
        if calculation.energy is None:
            continue
        composition = calculation.composition
        counts[calculation.method or UNKNOWN] += 1
        lowest[composition] = min(calculation.energy, lowest.get(composition, np.inf))
        if calculation.method is not None and subset_of(composition) == "train":
            training[calculation.method] += 1
    return counts, training, lowest


def _refine(fits: dict[str, Fit], calculations: Iterable[Calculation]) -> bool:
    """Fit once more what is left of the energies; return whether another round is worth it.

    Fitting what is left, instead of the energies, keeps the precision: total energies are a
    million times larger.
    """
    equations = {method: _NormalEquations(fit) for method, fit in fits.items()}
    for calculation in calculations:
        method, energy = calculation.method, calculation.energy
        if method is None or method not in fits or energy is None:
            continue
        if subset_of(calculation.composition) == "train":
            fractions = fractions_of(calculation.atomic_numbers)
            residual = fits[method].residual(fractions, energy / len(calculation.atomic_numbers))
            equations[method].add(fractions, residual)
    changes = [system.solve() for system in equations.values()]  # all of them, whatever comes out
    return any(changes)


class _NormalEquations:
    """Normal equations of a method's crystals that are no outliers."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        # Wide at first, while the reference energies are still far off; see fit_references.
        self._bound = max(OUTLIER, 3.0 * fit.error)
        self._gram = np.zeros((_ELEMENTS, _ELEMENTS))
        self._moment = np.zeros(_ELEMENTS)
        self._square = 0.0
        self._count = self._left_out = 0

    def add(self, fractions: NDArray[np.float64], residual: float) -> None:
        """Add a crystal, unless it is an outlier.

        Args:
            fractions: Share of each element, by atomic number, ``(119,)``, dimensionless.
            residual: Its energy beyond the present reference energies, eV/atom.
        """
        if abs(residual) > self._bound:
            self._left_out += 1
            return
        present = np.flatnonzero(fractions)  # two to five of the 119
        self._gram[np.ix_(present, present)] += np.outer(fractions[present], fractions[present])
        self._moment[present] += fractions[present] * residual
        self._square += residual**2
        self._count += 1

    def solve(self) -> bool:
        """Correct the fit; return whether it may still change."""
        fit = self._fit
        present = np.flatnonzero(np.diag(self._gram))
        # The pseudo-inverse: elements that only ever occur in fixed proportions (as in a method
        # that computed nothing but oxides of one stoichiometry) have no reference energy each.
        values, vectors = np.linalg.eigh(self._gram[np.ix_(present, present)])
        sound = values > _SINGULAR * values.max(initial=0.0)
        inverse = vectors[:, sound] / values[sound] @ vectors[:, sound].T
        change = inverse @ self._moment[present]
        fit.energies[present] += change
        fit.known = np.diag(self._gram) > 0.0
        fit.undetermined = np.zeros((int((~sound).sum()), _ELEMENTS))
        fit.undetermined[:, present] = vectors[:, ~sound].T
        explained = change @ self._moment[present]  # what least squares takes off Σ r²
        error = float(np.sqrt(max(self._square - explained, 0.0) / max(self._count, 1)))
        settled = self._bound == OUTLIER and (self._count, self._left_out) == (
            fit.crystals,
            fit.left_out,
        )
        fit.crystals, fit.left_out, fit.error = self._count, self._left_out, error
        return not settled
