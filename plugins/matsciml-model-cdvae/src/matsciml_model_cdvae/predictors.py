"""Predictors of number of atoms, lattice and composition from a latent vector alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matsciml_core.nn.dense import DenseStack
from matsciml_model_cdvae.gemnet import NUM_SPECIES
from matsciml_model_cdvae.lattice import lattice_parameters

LATTICE_FLOOR = 1e-5
"""Added to the spread of the lattice parameters, by which one that never varies is divided."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Predictions for some crystals."""

    atoms: Tensor
    """Logits of the number of atoms, ``(crystals, max_atoms + 1)``."""
    lattice: Tensor
    """Normalised lattice parameters, ``(crystals, 6)``."""
    composition: Tensor
    """Logits of the species, ``(crystals, 100)``."""


class Predictors(nn.Module):
    """Three perceptrons on the latent vector.

    Args:
        latent_width: Width of the latent vectors.
        hidden: Width of the hidden layers.
        max_atoms: Most atoms that a crystal can have.
    """

    def __init__(self, latent_width: int, hidden: int, max_atoms: int) -> None:
        """Build the layers."""
        super().__init__()
        self.atoms, self.lattice, self.composition = (
            DenseStack(latent_width, (hidden, width), torch.relu)
            for width in (max_atoms + 1, 6, NUM_SPECIES)
        )

    def forward(self, latents: Tensor) -> Predicted:
        """Predict from latent vectors.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
        """
        return Predicted(
            atoms=self.atoms(latents),
            lattice=self.lattice(latents),
            composition=self.composition(latents),
        )


class LatticeScaler(nn.Module):
    """Lengths over the cube root of the number of atoms, and angles, standardised.

    Mean and spread are fitted on the training split and kept in float64.
    """

    mean: Tensor
    """``(6,)``, Å and degrees."""
    std: Tensor
    """``(6,)``, Å and degrees."""

    def __init__(self) -> None:
        """Start with the identity."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(6, dtype=torch.float64))
        self.register_buffer("std", torch.ones(6, dtype=torch.float64))

    def standardised(self, cell: Tensor, atoms_per_crystal: Tensor) -> Tensor:
        """Return the parameters of lattices, normalised.

        Args:
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless.

        Returns:
            ``(crystals, 6)``, dimensionless, in the dtype of ``cell``.
        """
        raw = reduced_parameters(cell.to(torch.float64), atoms_per_crystal)
        return ((raw - self.mean) / self.std).to(cell.dtype)

    def parameters_of(self, values: Tensor, atoms_per_crystal: Tensor) -> Tensor:
        """Return lengths (Å) and angles (degrees) of normalised parameters.

        Args:
            values: ``(crystals, 6)``, dimensionless.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless.

        Returns:
            ``(crystals, 6)``, in the dtype of ``values``.
        """
        raw = values.to(torch.float64) * self.std + self.mean
        # Normalised is the length of a cell of one atom: it does not grow with the cell.
        lengths = raw[:, :3] * atoms_per_crystal.unsqueeze(1).pow(1 / 3)
        return torch.cat((lengths, raw[:, 3:]), dim=1).to(values.dtype)


def reduced_parameters(cell: Tensor, atoms_per_crystal: Tensor) -> Tensor:
    """Return lengths over the cube root of the number of atoms (Å), and angles (degrees).

    Args:
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        atoms_per_crystal: ``(crystals,)`` int64, dimensionless.

    Returns:
        ``(crystals, 6)``.
    """
    # The volume per atom varies little between crystals, and so do these lengths.
    raw = lattice_parameters(cell)
    return torch.cat((raw[:, :3] / atoms_per_crystal.unsqueeze(1).pow(1 / 3), raw[:, 3:]), dim=1)
