"""Annealed Langevin dynamics: from latent vectors to crystals, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from matsciml_core import Crystal
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.generation import (
    GeneratedCrystal,
    Progress,
    Rejection,
    SamplingConfig,
    SamplingState,
)
from matsciml_model_cdvae.connect import Candidates
from matsciml_model_cdvae.gemnet import GemNetDecoder
from matsciml_model_cdvae.lattice import to_cartesian, to_fractional
from matsciml_model_cdvae.schedules import geometric, step_sizes
from matsciml_model_cdvae.starting import check_cells, draw_composition

if TYPE_CHECKING:
    from matsciml_model_cdvae.config import CrystalGenerationConfig


@dataclass(frozen=True, kw_only=True)
class Walkers:
    """Crystals on their way through the noise levels."""

    fractional: Tensor
    """``(atoms, 3)``, in lattice vectors."""
    species: Tensor
    """``(atoms,)`` int64."""
    failed: Tensor
    """Crystals of which a coordinate was not finite, ``(crystals,)`` bool."""


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """What stays the same while crystals are sampled."""

    decoder: GemNetDecoder
    config: CrystalGenerationConfig
    latents: Tensor
    """``(crystals, latent_width)``."""
    cell: Tensor
    """Lattice vectors as rows, ``(crystals, 3, 3)``, Å."""
    atoms_per_crystal: Tensor
    """``(crystals,)`` int64."""
    crystal_index: Tensor
    """``(atoms,)`` int64."""
    candidates: Candidates
    species_known: bool = False
    """Whether the species are given, and stay as they are."""

    @classmethod
    def of(
        cls,
        decoder: GemNetDecoder,
        config: CrystalGenerationConfig,
        latents: Tensor,
        cell: Tensor,
        atoms_per_crystal: Tensor,
    ) -> Self:
        """Lay out what stays the same, see the fields."""
        return cls(
            decoder=decoder,
            config=config,
            latents=latents,
            cell=cell,
            atoms_per_crystal=atoms_per_crystal,
            crystal_index=torch.repeat_interleave(atoms_per_crystal),
            candidates=Candidates.of(cell, atoms_per_crystal, config.radius),
        )

    def score(self, walkers: Walkers) -> tuple[Tensor, Tensor, Tensor]:
        """Return Cartesian positions (Å), scores times noise, and logits of the species."""
        positions = to_cartesian(walkers.fractional, self.cell, self.crystal_index)
        config = self.config
        edges = self.candidates.connect(positions, config.radius, config.max_neighbours, config.cut)
        scores, logits = self.decoder(walkers.species, self.latents, self.crystal_index, edges)
        return positions, scores, logits

    def step(self, walkers: Walkers, noise: Tensor, sigma: float, size: float) -> Walkers:
        """Make one Langevin step, x + e o/σ + √(2e) η.

        Args:
            walkers: Where the crystals are.
            noise: η, standard normal, ``(atoms, 3)``.
            sigma: σ, Å.
            size: e, Å².

        References:
            Song, Ermon, NeurIPS 2019, Algorithm 1; Xie et al., ICLR 2022, Algorithm 1.
        """
        positions, scores, logits = self.score(walkers)
        moved = positions + size / sigma * scores + (2.0 * size) ** 0.5 * noise
        fractional = to_fractional(moved, self.cell, self.crystal_index)
        sound = fractional.isfinite().all(1) & logits.isfinite().all(1)  # (atoms,)
        broken = torch.zeros_like(self.atoms_per_crystal)
        broken = broken.index_add(0, self.crystal_index, (~sound).to(torch.int64))
        species = walkers.species
        if not self.species_known:
            species = torch.where(sound, logits.argmax(1), species)
        return Walkers(
            fractional=torch.where(sound.unsqueeze(1), fractional, walkers.fractional),
            species=species,
            failed=walkers.failed | (broken > 0),
        )


class Sampler:
    """Runs walkers down the noise levels, and turns them into crystals.

    Args:
        landscape: The decoder with the crystals' latent vectors and cells.
        sampling: Noise levels and steps.
        generator: Source of random numbers, on the CPU.
    """

    def __init__(
        self, landscape: Landscape, sampling: SamplingConfig, generator: torch.Generator
    ) -> None:
        """Lay out the noise levels."""
        self.landscape, self.sampling, self.generator = landscape, sampling, generator
        config = landscape.config
        sigmas = geometric(
            config.largest_sigma, config.smallest_sigma, sampling.levels or config.num_levels
        )
        sizes = step_sizes(sigmas, sampling.step_size)
        kept = sigmas >= sampling.smallest_sigma
        self.levels = list(zip(sigmas[kept].tolist(), sizes[kept].tolist(), strict=True))

    def run(
        self,
        walkers: Walkers,
        *,
        progress: Progress | None = None,
        checkpoint: Callable[[SamplingState], None] | None = None,
        state: SamplingState | None = None,
    ) -> Walkers:
        """Take walkers through all noise levels, or through those that a state left undone."""
        first = 0
        if state is not None:
            walkers, first = self._restored(state), state.level
        steps = self.sampling.steps_per_level
        for level, (sigma, size) in enumerate(self.levels[first:], start=first):
            for number in range(steps):
                walkers = self.landscape.step(walkers, self._noise(walkers), sigma, size)
                if progress is not None:
                    progress(level * steps + number + 1, len(self.levels) * steps)
            if checkpoint is not None:
                checkpoint(self._state(walkers, level + 1))
        return walkers

    def _noise(self, walkers: Walkers) -> Tensor:
        drawn = torch.randn(walkers.fractional.shape, generator=self.generator)
        return drawn.to(walkers.fractional)

    def _state(self, walkers: Walkers, level: int) -> SamplingState:
        tensors = {
            "fractional": walkers.fractional,
            "species": walkers.species,
            "failed": walkers.failed,
            "random": self.generator.get_state(),
            **self._belonging,
        }
        return SamplingState(
            level=level, tensors={name: one.detach().cpu().clone() for name, one in tensors.items()}
        )

    @property
    def _belonging(self) -> dict[str, Tensor]:
        """What a state must have been made with."""
        levels = torch.tensor(self.levels, dtype=torch.float64).view(-1, 2)
        return {
            "latents": self.landscape.latents.detach().cpu(),
            "levels": levels,
            "steps": torch.tensor(self.sampling.steps_per_level),
        }

    def _restored(self, state: SamplingState) -> Walkers:
        for name, wanted in self._belonging.items():
            found = state.tensors.get(name)
            if found is None or found.shape != wanted.shape or not torch.equal(found, wanted):
                raise ConfigError(
                    f"The state to go on from was made with other {name} of the sampling; use the "
                    "same settings and seed, or remove it to start again."
                )
        self.generator.set_state(state.tensors["random"])
        device = self.landscape.cell.device
        return Walkers(
            fractional=state.tensors["fractional"].to(self.landscape.cell),
            species=state.tensors["species"].to(device),
            failed=state.tensors["failed"].to(device),
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be sampled, as it was predicted or is known; any numbers may occur."""

    latents: Tensor
    """``(crystals, latent_width)``."""
    atoms_per_crystal: Tensor
    """``(crystals,)`` int64."""
    lattice: Tensor
    """a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``."""
    composition: Tensor
    """Logits of the species, ``(crystals, 100)``."""
    species: Tensor | None
    """Of all atoms of all crystals, ``(atoms,)`` int64; None: not known."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Crystals ready to be sampled."""

    landscape: Landscape
    walkers: Walkers


def prepare(
    decoder: GemNetDecoder,
    config: CrystalGenerationConfig,
    wanted: Wanted,
    generator: torch.Generator,
) -> tuple[Start | None, list[Rejection | None]]:
    """Leave out what is no crystal, and put the atoms of the others anywhere in their cells.

    Args:
        decoder: Trained.
        config: The head's settings.
        wanted: What is to be sampled.
        generator: Source of random numbers, on the CPU.

    Returns:
        The crystals, None where none is left; and for every latent vector why it is not among
        them.
    """
    cells = check_cells(wanted.lattice, wanted.atoms_per_crystal)
    fine = torch.tensor([reason is None for reason in cells.rejections])
    if not fine.any():
        return None, cells.rejections
    device = wanted.latents.device
    counts = wanted.atoms_per_crystal.cpu()
    if wanted.species is None:
        species = draw_composition(wanted.composition.cpu()[fine], counts[fine], generator)
    else:
        species = wanted.species.cpu()[fine.repeat_interleave(counts)]
    kept = fine.to(device)
    landscape = Landscape.of(
        decoder, config, wanted.latents[kept], cells.vectors[kept], counts[fine].to(device)
    )
    landscape = replace(landscape, species_known=wanted.species is not None)
    places = torch.rand(len(species), 3, generator=generator)
    walkers = Walkers(
        fractional=places.to(landscape.cell),
        species=species.to(device),
        failed=torch.zeros_like(landscape.atoms_per_crystal, dtype=torch.bool),
    )
    return Start(landscape=landscape, walkers=walkers), cells.rejections


def collect(
    start: Start, ends: Walkers, rejections: list[Rejection | None]
) -> list[GeneratedCrystal]:
    """Return what became of every latent vector.

    Args:
        start: The crystals that were sampled.
        ends: Where they ended.
        rejections: For every latent vector; None: it is the next of the crystals.
    """
    sizes = start.landscape.atoms_per_crystal.tolist()
    found = iter(
        zip(
            torch.split(ends.species + 1, sizes),
            torch.split(ends.fractional, sizes),
            start.landscape.cell,
            ends.failed.tolist(),
            strict=True,
        )
    )
    return [
        GeneratedCrystal(crystal=None, rejected=reason)
        if reason is not None
        else _crystal(str(number), *next(found))
        for number, reason in enumerate(rejections)
    ]


def _crystal(
    name: str, numbers: Tensor, fractional: Tensor, cell: Tensor, failed: bool
) -> GeneratedCrystal:
    if failed:
        return GeneratedCrystal(crystal=None, rejected=Rejection.NOT_FINITE)
    crystal = Crystal.from_fractional(
        id=name,
        atomic_numbers=numbers.cpu().numpy(),
        fractional=fractional.cpu().numpy(),
        cell=cell.cpu().numpy(),
    )
    return GeneratedCrystal(crystal=crystal)
