"""Samplers: how far each step follows the score, and how much noise it adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_core.interfaces.generation import SamplingConfig
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.lattice import heights
from matsciml_model_cdvae.schedules import geometric, step_sizes

_UNIFORM = 0.5
"""Noise, in units of the largest distance of opposite faces, that leaves nothing of a crystal: the
density of an atom is uniform but for exp(−2π² 0.5²), less than a hundredth."""
_KEPT = 0.5
"""Share of its noise that a corrector step keeps; the rest is new."""
_ANCESTRAL_LEVELS, _ANCESTRAL_STEPS = 50, 10
_LANGEVIN_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class Move:
    """One step of all atoms, x + drift · o + spread · η.

    o is the noise level times the score, and η standard normal.
    """

    drift: Tensor
    """``(crystals,)``, Å."""
    spread: Tensor
    """``(crystals,)``, Å."""


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """The steps of a sampler, noise level after noise level."""

    sigmas: Tensor
    """Noise levels, the largest first, ``(levels, crystals)`` float64, Å."""
    steps: int
    """Steps at each level, each with one evaluation of the decoder."""

    @abstractmethod
    def move(self, level: int, step: int) -> Move:
        """Return a step.

        Args:
            level: Index of the noise level.
            step: Index of the step at this level.
        """


@dataclass(frozen=True, kw_only=True)
class Langevin(Schedule):
    """Annealed Langevin dynamics, as published: x + e o/σ + √(2e) η at every level.

    References:
        Song, Ermon, NeurIPS 2019, Algorithm 1; Xie et al., ICLR 2022, Algorithm 1.
    """

    sizes: Tensor
    """e of each level, ``(levels, crystals)`` float64, Å²."""

    def move(self, level: int, step: int) -> Move:
        """Return a step; all steps of a level are the same."""
        # o is σ times the score, so that o/σ is the gradient of the logarithm of the density.
        sigma, size = self.sigmas[level], self.sizes[level]
        return Move(drift=size / sigma, spread=(2.0 * size).sqrt())


@dataclass(frozen=True, kw_only=True)
class Ancestral(Schedule):
    """Ancestral sampling of the same score, with corrector steps.

    x + σ o is the decoder's estimate of the crystal without noise, and −o its estimate of the noise
    over σ. A step goes to the estimate, and back to a noise σ', of which a share c is the noise
    that was there and the rest is new:

        x' = x + σ o + σ' (−c o + √(1 − c²) η)

    The last step of a level leads to the next one, σ' = σ_next, with c = σ'/σ, which is ancestral
    sampling; those before it are correctors at the same level, σ' = σ. The very last step ends at
    the estimate, σ' = 0, so that no noise is left in the crystal, while Langevin dynamics leaves
    √2 times the smallest level.

    References:
        Song, Sohl-Dickstein, Kingma, Kumar, Ermon, Poole, ICLR 2021, arXiv:2011.13456, appendix F
        (ancestral sampling of a score, correctors); Song, Meng, Ermon, ICLR 2021,
        arXiv:2010.02502, Eq. (12) (the share that is kept).
    """

    def move(self, level: int, step: int) -> Move:
        """Return a step: correctors first, and then the one to the next level."""
        sigma = self.sigmas[level]
        if step < self.steps - 1:
            after, kept = sigma, torch.full_like(sigma, _KEPT)
        elif level < len(self.sigmas) - 1:
            after = self.sigmas[level + 1]
            kept = after / sigma
        else:
            after = kept = torch.zeros_like(sigma)
        return Move(drift=sigma - kept * after, spread=after * (1.0 - kept.square()).sqrt())


def schedule(sampling: SamplingConfig, config: CrystalGenerationConfig, cell: Tensor) -> Schedule:
    """Return the steps that the settings of a sampling ask for.

    Args:
        sampling: The settings.
        config: Settings of the head, with the noise that it was trained with.
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
    """
    largest, smallest = config.largest_sigma, config.smallest_sigma
    if sampling.sampler == "langevin":
        sigmas = geometric(largest, smallest, sampling.levels or config.num_levels)
        sizes = step_sizes(sigmas, sampling.step_size)
        used, count = sigmas >= sampling.smallest_sigma, len(cell)
        return Langevin(
            sigmas=sigmas[used].unsqueeze(1).expand(-1, count),
            sizes=sizes[used].unsqueeze(1).expand(-1, count),
            steps=sampling.steps_per_level or _LANGEVIN_STEPS,
        )
    smallest = max(smallest, sampling.smallest_sigma)
    # Atoms start anywhere in the cell, which is as good as any noise above this one.
    start = (_UNIFORM * heights(cell).amax(dim=1).double().cpu()).clamp(max=largest)
    fall = torch.linspace(0.0, 1.0, sampling.levels or _ANCESTRAL_LEVELS, dtype=torch.float64)
    # By equal factors to the smallest level, each crystal from its own start.
    sigmas = start * (smallest / start) ** fall.unsqueeze(1)
    return Ancestral(sigmas=sigmas, steps=sampling.steps_per_level or _ANCESTRAL_STEPS)
