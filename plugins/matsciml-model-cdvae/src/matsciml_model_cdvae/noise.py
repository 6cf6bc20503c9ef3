"""Noise of positions and species, which the generative head is trained to remove."""

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
class NoiseSample:
    """The random numbers of one evaluation of the loss."""

    level: Tensor
    """Noise level of the positions, ``(crystals,)`` int64."""
    species_level: Tensor
    """Noise level of the species, ``(crystals,)`` int64."""
    normal: Tensor
    """Standard normal, ``(atoms, 3)``."""
    uniform: Tensor
    """Uniform in (0, 1), ``(atoms,)``."""


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """Crystals with noise, and the noise that was added."""

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

    In training mode the random numbers are new in every evaluation; in evaluation mode they depend
    on the crystals' ids alone, so that a crystal has the same noise in every batch and epoch.
    """

    sigmas: Tensor
    """Noise levels of the positions, ``(levels,)``, Å."""
    species_sigmas: Tensor
    """Noise levels of the species, ``(levels,)``, dimensionless."""

    def __init__(self, config: CrystalGenerationConfig) -> None:
        """Compute the levels."""
        super().__init__()
        self.levels = config.num_levels
        positions = config.largest_sigma, config.smallest_sigma
        species = config.largest_species_sigma, config.smallest_species_sigma
        for name, (largest, smallest) in (("sigmas", positions), ("species_sigmas", species)):
            values = schedules.geometric(largest, smallest, config.num_levels)
            self.register_buffer(name, values, persistent=False)

    def sample(self, batch: CrystalBatch) -> NoiseSample:
        """Return random numbers for the crystals of a batch."""
        if not self.training:
            return self._sample_by_id(batch)
        device = batch.positions.device
        return NoiseSample(
            level=torch.randint(self.levels, (batch.num_crystals,), device=device),
            species_level=torch.randint(self.levels, (batch.num_crystals,), device=device),
            normal=torch.randn_like(batch.positions),
            uniform=torch.rand_like(batch.positions[:, 0]),
        )

    def _sample_by_id(self, batch: CrystalBatch) -> NoiseSample:
        """Return random numbers that depend on the ids of the crystals alone."""
        device, dtype = batch.positions.device, batch.positions.dtype
        keys = schedules.keys_of(batch.ids, batch.num_crystals, device)
        start = batch.atoms_per_crystal.cumsum(0) - batch.atoms_per_crystal
        rank = torch.arange(batch.num_atoms, device=device) - start[batch.crystal_index]
        # A key per atom and axis; more than 2²⁰ atoms would share keys with another crystal's.
        atoms = keys[batch.crystal_index] * 2**20 + rank
        axes = atoms.unsqueeze(1) * 4 + torch.arange(3, device=device)
        return NoiseSample(
            level=(schedules.uniform(keys, 0) * self.levels).to(torch.int64),
            species_level=(schedules.uniform(keys, 1) * self.levels).to(torch.int64),
            normal=schedules.normal(axes, 2).to(dtype),
            uniform=schedules.uniform(atoms, 4).to(dtype),
        )

    def forward(self, batch: CrystalBatch, composition: Tensor, sample: NoiseSample) -> Noisy:
        """Return crystals with noise.

        Args:
            batch: The true crystals.
            composition: Logits of the species of each crystal, ``(crystals, 100)``,
                dimensionless; no gradient flows back.
            sample: The random numbers.
        """
        index, cell = batch.crystal_index, batch.cell
        sigma = self.sigmas.to(cell.dtype)[sample.level].index_select(0, index)
        species_sigma = self.species_sigmas.to(cell.dtype)[sample.species_level]
        species_sigma = species_sigma.index_select(0, index)
        # Both wrapped into the home cell, since nearest_image looks at 27 images alone.
        true = to_cartesian(to_fractional(batch.positions, cell, index), cell, index)
        displaced = batch.positions + sigma.unsqueeze(1) * sample.normal
        noisy = to_cartesian(to_fractional(displaced, cell, index), cell, index)
        weights = species_weights(
            species_of(batch), composition.index_select(0, index), species_sigma
        )
        return Noisy(
            positions=noisy,
            displacement=nearest_image(true - noisy, cell, index),
            sigma=sigma,
            species=categorical(weights, sample.uniform),
            species_sigma=species_sigma,
        )


def species_of(batch: CrystalBatch) -> Tensor:
    """Return atomic numbers minus one, ``(atoms,)`` int64; those beyond the last species as it."""
    return (batch.atomic_numbers - 1).clamp(max=NUM_SPECIES - 1)


def species_weights(species: Tensor, composition: Tensor, sigma: Tensor) -> Tensor:
    """Return onehot(true) + σ softmax(composition), from which noisy species are sampled.

    Args:
        species: The true ones, ``(atoms,)`` int64, dimensionless.
        composition: Logits for each atom, ``(atoms, 100)``, dimensionless; no gradient flows back.
        sigma: Noise of each atom, ``(atoms,)``, dimensionless.

    Returns:
        ``(atoms, 100)``, not normalised.
    """
    # The composition has a loss of its own; a gradient from here would train it to ease denoising.
    noise = sigma.unsqueeze(1) * composition.detach().softmax(1)
    return noise + functional.one_hot(species, NUM_SPECIES)


def categorical(weights: Tensor, uniform: Tensor) -> Tensor:
    """Sample one item of each row, by inversion of the cumulative distribution.

    Not by torch.multinomial, which takes random numbers of its own and not those of an id.

    Args:
        weights: Not normalised, ``(rows, items)``, dimensionless.
        uniform: Uniform numbers in (0, 1), ``(rows,)``, dimensionless.

    Returns:
        ``(rows,)`` int64.
    """
    cumulative = weights.cumsum(1)
    below = cumulative < (uniform.to(weights.dtype) * cumulative[:, -1]).unsqueeze(1)
    # Rounding may put even the last sum below a product with a number just under one.
    return below.sum(1).clamp(max=weights.shape[1] - 1)
