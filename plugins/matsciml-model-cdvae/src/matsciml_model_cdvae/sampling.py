"""From latent vectors to crystals, a whole batch at a time and noise level after noise level."""

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
from matsciml_model_cdvae.initial_state import check_cells, sample_species
from matsciml_model_cdvae.lattice import (
    lattice_parameters,
    lattice_vectors,
    to_cartesian,
    to_fractional,
)
from matsciml_model_cdvae.samplers import Move, schedule
from matsciml_model_cdvae.symmetry import Symmetry, arrange, symmetric_cells

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
class ScoreField:
    """The decoder with the latent vectors and cells of crystals, which stay as they are."""

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
    fixed_species: bool = False
    """Whether the species are known, and stay as they are."""
    symmetry: Symmetry | None = None
    """The orbits of atoms that move alike; None: each moves by itself."""

    @classmethod
    def of(
        cls,
        decoder: GemNetDecoder,
        config: CrystalGenerationConfig,
        latents: Tensor,
        cell: Tensor,
        atoms_per_crystal: Tensor,
    ) -> Self:
        """List the candidates for edges, which depend on cells and numbers of atoms alone.

        Args:
            decoder: The decoder.
            config: The head's settings.
            latents: ``(crystals, latent_width)``, dimensionless.
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless.
        """
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

    def step(self, walkers: Walkers, noise: Tensor, move: Move) -> Walkers:
        """Make one step of a sampler, x + drift · o + spread · η.

        Args:
            walkers: The crystals before it.
            noise: η, standard normal, ``(atoms, 3)``, dimensionless.
            move: The step.
        """
        positions, scores, logits = self.score(walkers)
        if self.symmetry is not None:
            scores, noise, logits = self.symmetry.project(scores, noise, logits)
        drift, spread = (
            value.to(positions).index_select(0, self.crystal_index).unsqueeze(1)
            for value in (move.drift, move.spread)
        )
        displaced = positions + drift * scores + spread * noise
        fractional = to_fractional(displaced, self.cell, self.crystal_index)
        # An atom that would leave the numbers stays where it was, and its crystal is marked, so
        # that the other crystals of the batch go on, and no neighbour search sees a NaN.
        finite = fractional.isfinite().all(1) & logits.isfinite().all(1)  # (atoms,)
        infinite = torch.zeros_like(self.atoms_per_crystal)
        infinite = infinite.index_add(0, self.crystal_index, (~finite).to(torch.int64))
        fractional = torch.where(finite.unsqueeze(1), fractional, walkers.fractional)
        if self.symmetry is not None:
            fractional = self.symmetry.follow(fractional)
        species = walkers.species
        if not self.fixed_species:
            # The most probable species, as in the original, and not a sample.
            species = torch.where(finite, logits.argmax(1), species)
        return Walkers(
            fractional=fractional,
            species=species,
            failed=walkers.failed | (infinite > 0),
        )


class Sampler:
    """Takes walkers through the noise levels, from the largest to the smallest.

    Args:
        field: The decoder with the crystals' latent vectors and cells.
        sampling: Noise levels and steps.
        generator: Source of random numbers, on the CPU.
    """

    def __init__(
        self, field: ScoreField, sampling: SamplingConfig, generator: torch.Generator
    ) -> None:
        """Compute the noise levels."""
        self.field, self.generator = field, generator
        self.schedule = schedule(sampling, field.config, field.cell)

    def run(
        self,
        walkers: Walkers,
        *,
        progress: Progress | None = None,
        checkpoint: Callable[[SamplingState], None] | None = None,
        state: SamplingState | None = None,
    ) -> Walkers:
        """Take walkers through all noise levels, or through those that a state left undone.

        Args:
            walkers: The crystals at the start.
            progress: Called after every step.
            checkpoint: Called with the state after every noise level.
            state: A state to resume from; None: from the start.
        """
        start = 0
        if state is not None:
            walkers, start = self._restore(state), state.level
        levels, steps = len(self.schedule.sigmas), self.schedule.steps
        for level in range(start, levels):
            for step in range(steps):
                # On the CPU, so that a seed gives the same crystals on every device.
                noise = torch.randn(walkers.fractional.shape, generator=self.generator)
                noise = noise.to(walkers.fractional)
                walkers = self.field.step(walkers, noise, self.schedule.move(level, step))
                if progress is not None:
                    progress(level * steps + step + 1, levels * steps)
            if checkpoint is not None:
                tensors = {
                    "fractional": walkers.fractional,
                    "species": walkers.species,
                    "failed": walkers.failed,
                    "random": self.generator.get_state(),
                    **self._conditions,
                }
                # Cloned, since the caller may keep a state while the next steps are made.
                tensors = {name: value.detach().cpu().clone() for name, value in tensors.items()}
                checkpoint(SamplingState(level=level + 1, tensors=tensors))
        return walkers

    @property
    def _conditions(self) -> dict[str, Tensor]:
        """Tensors that must be equal where a sampling resumes from a state."""
        first = [self.schedule.move(level, 0) for level in range(len(self.schedule.sigmas))]
        return {
            "latents": self.field.latents.detach().cpu(),
            # What the first step at each level does tells one sampler from another.
            "levels": torch.stack([torch.stack((move.drift, move.spread)) for move in first]),
            "steps": torch.tensor(self.schedule.steps),
        }

    def _restore(self, state: SamplingState) -> Walkers:
        """Return the walkers of a state, and set the generator to it."""
        for name, expected in self._conditions.items():
            saved = state.tensors.get(name)
            if saved is None or saved.shape != expected.shape or not torch.equal(saved, expected):
                raise ConfigError(
                    f"The state to resume from was made with other {name} of the sampling; use the "
                    "same settings and seed, or remove it to start again."
                )
        self.generator.set_state(state.tensors["random"])
        device = self.field.cell.device
        return Walkers(
            fractional=state.tensors["fractional"].to(self.field.cell),
            species=state.tensors["species"].to(device),
            failed=state.tensors["failed"].to(device),
        )


@dataclass(frozen=True, kw_only=True)
class SamplingInputs:
    """Predictions and ground truth about the crystals to sample; any numbers may occur."""

    latents: Tensor
    """``(crystals, latent_width)``."""
    atoms_per_crystal: Tensor
    """``(crystals,)`` int64."""
    lattice: Tensor
    """a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``."""
    composition: Tensor
    """Logits of the species, ``(crystals, 100)``."""
    species: Tensor | None
    """Known ones of all atoms of all crystals, ``(atoms,)`` int64; None: they are sampled."""
    space_group: int | None = None
    """The space group to sample within; None: without symmetry."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Crystals before the first step."""

    field: ScoreField
    walkers: Walkers


def prepare(
    decoder: GemNetDecoder,
    config: CrystalGenerationConfig,
    inputs: SamplingInputs,
    generator: torch.Generator,
) -> tuple[Start | None, list[Rejection | None]]:
    """Reject impossible crystals, and put the atoms of the others anywhere in their cells.

    Args:
        decoder: The trained decoder.
        config: The head's settings.
        inputs: The crystals to sample.
        generator: Source of random numbers, on the CPU.

    Returns:
        The crystals, None where none is left; and for every latent vector the reason why it is
        rejected, None where it is not.

    Raises:
        ConfigError: Given species do not fill whole orbits of the space group.
    """
    cells = check_cells(inputs.lattice, inputs.atoms_per_crystal)
    accepted = torch.tensor([reason is None for reason in cells.rejections])
    if not accepted.any():
        return None, cells.rejections
    device = inputs.latents.device
    counts = inputs.atoms_per_crystal.cpu()
    if inputs.species is None:
        species = sample_species(inputs.composition.cpu()[accepted], counts[accepted], generator)
    else:
        species = inputs.species.cpu()[accepted.repeat_interleave(counts)]
    chosen = accepted.to(device)
    cell, symmetry = cells.vectors[chosen], None
    if inputs.space_group is not None:
        symmetric = symmetric_cells(lattice_parameters(cell), inputs.space_group)
        cell = lattice_vectors(symmetric.parameters)
        symmetry, species = arrange(
            inputs.space_group,
            cell,
            species,
            counts[accepted],
            generator,
            fixed=inputs.species is not None,
        )
    field = ScoreField.of(
        decoder, config, inputs.latents[chosen], cell, counts[accepted].to(device)
    )
    field = replace(field, fixed_species=inputs.species is not None, symmetry=symmetry)
    fractional = torch.rand(len(species), 3, generator=generator).to(field.cell)
    walkers = Walkers(
        fractional=fractional if symmetry is None else symmetry.start(fractional),
        species=species.to(device),
        failed=torch.zeros_like(field.atoms_per_crystal, dtype=torch.bool),
    )
    return Start(field=field, walkers=walkers), cells.rejections


def collect(
    start: Start, ends: Walkers, rejections: list[Rejection | None]
) -> list[GeneratedCrystal]:
    """Return the result of every latent vector.

    Args:
        start: The crystals before the first step.
        ends: The crystals after the last one.
        rejections: For every latent vector; None: it is the next of the crystals.
    """
    sizes = start.field.atoms_per_crystal.tolist()
    sampled = zip(
        torch.split(ends.species + 1, sizes),
        torch.split(ends.fractional, sizes),
        start.field.cell,
        ends.failed.tolist(),
        strict=True,
    )
    results = []
    for index, rejection in enumerate(rejections):
        crystal, reason = None, rejection
        if reason is None:
            numbers, fractional, cell, failed = next(sampled)
            if failed:
                reason = Rejection.NOT_FINITE
            else:
                crystal = Crystal.from_fractional(
                    id=str(index),
                    atomic_numbers=numbers.cpu().numpy(),
                    fractional=fractional.cpu().numpy(),
                    cell=cell.cpu().numpy(),
                )
        results.append(GeneratedCrystal(crystal=crystal, rejected=reason))
    return results
