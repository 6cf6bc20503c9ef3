"""Crystals with noise: what the generative head is trained to undo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch
from matsciml_model_cdvae import schedules
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.gemnet import NUM_SPECIES
from matsciml_model_cdvae.lattice import nearest_image, to_cartesian, to_fractional


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The random numbers of one evaluation of the loss."""

    level: Tensor
    """Noise level of the positions, ``(crystals,)`` int64."""
    species_level: Tensor
    """Noise level of the species, ``(crystals,)`` int64."""
    normal: Tensor
    """``(atoms, 3)``."""
    chance: Tensor
    """Uniform in (0, 1), ``(atoms,)``."""


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """Crystals with noise, and what was done to them."""

    positions: Tensor
    """Wrapped, ``(atoms, 3)``, Å."""
    displacement: Tensor
    """From the noisy to the nearest image of the true position, ``(atoms, 3)``, Å."""
    sigma: Tensor
    """Noise of the positions of each atom, ``(atoms,)``, Å."""
    species: Tensor
    """``(atoms,)`` int64."""
    species_sigma: Tensor
    """Noise of the species of each atom, ``(atoms,)``, dimensionless."""


class Noise(nn.Module):
    """Adds noise of random levels, those of positions and of species independent of each other.

    In training mode every evaluation draws new numbers; in evaluation mode they depend on the
    crystals' ids alone, so that a crystal has the same noise in every batch and epoch.
    """

    sigmas: Tensor
    """Noise levels of the positions, ``(levels,)``, Å."""
    species_sigmas: Tensor
    """Noise levels of the species, ``(levels,)``, dimensionless."""

    def __init__(self, config: CrystalGenerationConfig) -> None:
        """Lay out the levels."""
        super().__init__()
        self.levels = config.num_levels
        positions = config.largest_sigma, config.smallest_sigma
        species = config.largest_species_sigma, config.smallest_species_sigma
        for name, (first, last) in (("sigmas", positions), ("species_sigmas", species)):
            values = schedules.geometric(first, last, config.num_levels)
            self.register_buffer(name, values, persistent=False)

    def draw(self, batch: CrystalBatch) -> Draws:
        """Draw random numbers for the crystals of a batch."""
        if not self.training:
            return self._repeatable(batch)
        device = batch.positions.device
        return Draws(
            level=torch.randint(self.levels, (batch.num_crystals,), device=device),
            species_level=torch.randint(self.levels, (batch.num_crystals,), device=device),
            normal=torch.randn_like(batch.positions),
            chance=torch.rand_like(batch.positions[:, 0]),
        )

    def _repeatable(self, batch: CrystalBatch) -> Draws:
        device, dtype = batch.positions.device, batch.positions.dtype
        keys = schedules.keys_of(batch.ids, batch.num_crystals, device)
        first = batch.atoms_per_crystal.cumsum(0) - batch.atoms_per_crystal
        rank = torch.arange(batch.num_atoms, device=device) - first[batch.crystal_index]
        atoms = keys[batch.crystal_index] * 2**20 + rank
        axes = atoms.unsqueeze(1) * 4 + torch.arange(3, device=device)
        return Draws(
            level=(schedules.uniform(keys, 0) * self.levels).to(torch.int64),
            species_level=(schedules.uniform(keys, 1) * self.levels).to(torch.int64),
            normal=schedules.normal(axes, 2).to(dtype),
            chance=schedules.uniform(atoms, 4).to(dtype),
        )

    def forward(self, batch: CrystalBatch, composition: Tensor, draws: Draws) -> Noisy:
        """Return crystals with noise.

        Args:
            batch: The true crystals.
            composition: Logits of the species of each crystal, ``(crystals, 100)``; no gradient
                flows back.
            draws: The random numbers.
        """
        index, cell = batch.crystal_index, batch.cell
        sigma = self.sigmas.to(cell.dtype)[draws.level].index_select(0, index)
        species_sigma = self.species_sigmas.to(cell.dtype)[draws.species_level]
        species_sigma = species_sigma.index_select(0, index)
        true = to_cartesian(to_fractional(batch.positions, cell, index), cell, index)
        moved = batch.positions + sigma.unsqueeze(1) * draws.normal
        noisy = to_cartesian(to_fractional(moved, cell, index), cell, index)
        weights = species_weights(
            species_of(batch), composition.index_select(0, index), species_sigma
        )
        return Noisy(
            positions=noisy,
            displacement=nearest_image(true - noisy, cell, index),
            sigma=sigma,
            species=pick(weights, draws.chance),
            species_sigma=species_sigma,
        )


def species_of(batch: CrystalBatch) -> Tensor:
    """Return atomic numbers minus one, ``(atoms,)`` int64; those beyond the last species as it."""
    return (batch.atomic_numbers - 1).clamp(max=NUM_SPECIES - 1)


def species_weights(species: Tensor, composition: Tensor, sigma: Tensor) -> Tensor:
    """Return onehot(true) + σ softmax(composition), what noisy species are drawn from.

    Args:
        species: The true ones, ``(atoms,)`` int64.
        composition: Logits for each atom, ``(atoms, 100)``; no gradient flows back.
        sigma: Noise of each atom, ``(atoms,)``, dimensionless.

    Returns:
        ``(atoms, 100)``, not normalised.
    """
    noise = sigma.unsqueeze(1) * composition.detach().softmax(1)
    return noise + functional.one_hot(species, NUM_SPECIES)


def pick(weights: Tensor, chance: Tensor) -> Tensor:
    """Draw one item of each row.

    Args:
        weights: Not normalised, ``(rows, items)``.
        chance: Uniform numbers in (0, 1), ``(rows,)``.

    Returns:
        ``(rows,)`` int64.
    """
    cumulative = weights.cumsum(1)
    reached = cumulative < (chance.to(weights.dtype) * cumulative[:, -1]).unsqueeze(1)
    return reached.sum(1).clamp(max=weights.shape[1] - 1)
