"""What composition alone says about a property: one number per element, by least squares."""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core import CrystalBatch

ELEMENTS = 119
"""Rows of a table by atomic number, 0 to 118; row 0 is not used."""
RIDGE = 1e-6
"""Regularisation as a share of the mean diagonal. Elements that always occur together, or never
occur, make the problem singular; an element that never occurs gets zero."""


def composition_values(coefficients: Tensor, batch: CrystalBatch) -> Tensor:
    """Return Σ_Z c_Z x_Z for each crystal, x_Z being the share of element Z among its atoms.

    Args:
        coefficients: c, ``(119,)``, in the label's unit.
        batch: The crystals.

    Returns:
        ``(crystals,)``, in the label's unit and the dtype of ``coefficients``.
    """
    atoms = coefficients[batch.atomic_numbers]
    sums = atoms.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, atoms)
    return sums / batch.atoms_per_crystal


class CompositionFit:
    """Least squares of labels on element fractions, one batch at a time.

    Keeps the normal equations only, so that memory does not grow with the data. There is no
    intercept: the fractions of a crystal sum to one.
    """

    def __init__(self) -> None:
        """Start without data."""
        self._gram = torch.zeros(ELEMENTS, ELEMENTS, dtype=torch.float64)
        self._moment = torch.zeros(ELEMENTS, dtype=torch.float64)

    def add(self, batch: CrystalBatch, labels: Tensor, known: Tensor) -> None:
        """Take in the labelled crystals of a batch.

        Args:
            batch: The crystals.
            labels: ``(crystals,)`` float64.
            known: Where a label exists, ``(crystals,)`` bool.
        """
        cells = batch.crystal_index * ELEMENTS + batch.atomic_numbers
        counts = torch.bincount(cells, minlength=batch.num_crystals * ELEMENTS)
        fractions = counts.reshape(-1, ELEMENTS) / batch.atoms_per_crystal.unsqueeze(1).double()
        fractions, labels = fractions[known], labels[known]
        self._gram += fractions.T @ fractions
        self._moment += fractions.T @ labels

    def solve(self) -> Tensor:
        """Return the coefficient of each element, ``(119,)`` float64."""
        ridge = RIDGE * self._gram.diagonal().mean() + torch.finfo(torch.float64).tiny
        matrix = self._gram + ridge * torch.eye(ELEMENTS, dtype=torch.float64)
        solution: Tensor = torch.linalg.solve(matrix, self._moment)
        return solution
