"""Per-element reference energies: what composition alone says about a total energy."""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core import CrystalBatch

ELEMENTS = 119
"""Rows of a table by atomic number, 0 to 118; row 0 is not used."""
SMALLEST_EIGENVALUE = 1e-12
"""Combinations of elements that vary less than this, as a share of the most varied one, get no
coefficient: elements that always occur in the same ratio cannot be told apart."""


def reference_energies(references: Tensor, batch: CrystalBatch) -> Tensor:
    """Return Σ_Z n_Z w_Z for each crystal, n_Z being its number of atoms of element Z.

    Args:
        references: w, ``(119,)``, eV.
        batch: The crystals.

    Returns:
        ``(crystals,)``, eV, in the dtype of ``references``.
    """
    atoms = references[batch.atomic_numbers]
    return atoms.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, atoms)


class ReferenceFit:
    """Least squares of energies per atom on element fractions, one batch at a time.

    Minimises Σ (E/n − Σ_Z x_Z w_Z)², x_Z being the share of element Z, and chooses among equal
    minima the w closest to the mean energy per atom; elements that never occur get that mean.
    Everything is in float64, and only the normal equations are kept, relative to the first
    energy seen, so that nothing is lost where energies are large and differ little.
    """

    def __init__(self) -> None:
        """Start without data."""
        self.count = 0
        self._origin = torch.zeros((), dtype=torch.float64)
        self._gram = torch.zeros(ELEMENTS, ELEMENTS, dtype=torch.float64)
        self._moment = torch.zeros(ELEMENTS, dtype=torch.float64)
        self._sum = torch.zeros((), dtype=torch.float64)
        self._square = torch.zeros((), dtype=torch.float64)
        self._shares = torch.zeros(ELEMENTS, dtype=torch.float64)

    def add(self, batch: CrystalBatch, energies: Tensor, known: Tensor) -> None:
        """Take in the labelled crystals of a batch.

        Args:
            batch: The crystals.
            energies: Total energies, ``(crystals,)`` float64, eV.
            known: Where an energy exists, ``(crystals,)`` bool.
        """
        cells = batch.crystal_index * ELEMENTS + batch.atomic_numbers
        counts = torch.bincount(cells, minlength=batch.num_crystals * ELEMENTS)
        shares = counts.reshape(-1, ELEMENTS) / batch.atoms_per_crystal.unsqueeze(1).double()
        shares, values = shares[known], (energies / batch.atoms_per_crystal)[known]
        if not len(values):
            return
        if not self.count:
            self._origin = values[0].clone()
        values = values - self._origin
        self.count += len(values)
        self._gram += shares.T @ shares
        self._moment += shares.T @ values
        self._shares += shares.sum(0)
        self._sum += values.sum()
        self._square += values.square().sum()

    @property
    def mean(self) -> Tensor:
        """Mean energy per atom, eV/atom."""
        return self._origin + self._sum / self.count

    def solve(self) -> Tensor:
        """Return the reference energy of each element, ``(119,)`` float64, eV."""
        return self.mean + self._relative()

    def residual(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of E/n − Σ_Z x_Z w_Z, both eV/atom."""
        mean, relative, moment = self._sum / self.count, self._relative(), self._centred()
        offset = -relative @ self._shares / self.count
        # At the minimum what is explained is the projection: x·w has the mean square w·moment.
        square = self._square / self.count - mean.square() - relative @ moment / self.count
        return offset, (square - offset.square()).clamp(min=0.0).sqrt()

    def _centred(self) -> Tensor:
        """Return Σ x (y − mean), ``(119,)``."""
        return self._moment - self._sum / self.count * self._shares

    def _relative(self) -> Tensor:
        """Return the coefficients relative to the mean energy per atom, ``(119,)``."""
        inverse: Tensor = torch.linalg.pinv(self._gram, rtol=SMALLEST_EIGENVALUE, hermitian=True)
        return inverse @ self._centred()
