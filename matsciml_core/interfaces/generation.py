"""The GenerativeHead interface: a head that generates crystals, with its requests and results."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from matsciml_core.errors import DataError
from matsciml_core.files import replacing
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding
from matsciml_core.interfaces.head import TaskHead

Progress = Callable[[int, int], None]
"""Receives the number of finished steps, and that of all steps."""


@dataclass(frozen=True, kw_only=True)
class LatentEmbedding(Embedding):
    """The embedding of a variational encoder, with the distribution that it is sampled from.

    ``crystals`` is a sample of the distribution in training mode and its mean in evaluation mode,
    so that every head of the run, of whatever kind, reads points of the space that a generative
    head decodes.
    """

    mean: Tensor
    """Mean of the latent normal distribution, ``(crystals, crystal_width)``, dimensionless."""
    log_variance: Tensor
    """Logarithm of its variance, ``(crystals, crystal_width)``, dimensionless."""


class SamplingConfig(Config):
    """Settings of the sampler that turns noise into crystals."""

    sampler: Literal["ancestral", "langevin"] = "langevin"
    """``langevin``: annealed Langevin dynamics, as published; ``ancestral``: fewer and longer
    steps through the same noise, each to an estimate of the crystal and part of the way back."""
    levels: PositiveInt | None = None
    """Noise levels, from the largest to the smallest that was trained, each the same factor below
    the one before; empty: as many as the sampler needs (``langevin``: as many as were trained)."""
    steps_per_level: PositiveInt | None = None
    """Steps at each noise level; empty: as many as the sampler needs (``langevin``: 100)."""
    step_size: PositiveFloat = 1e-4
    """Size of a Langevin step at the smallest noise level, Å²; it grows as the square of the
    noise. Of no effect on other samplers."""
    smallest_sigma: float = Field(default=0.0, ge=0.0)
    """Noise levels below this, Å, are left out."""
    space_group: int | None = Field(default=None, ge=1, le=230)
    """Cells and positions keep the symmetry of this space group in every step; empty: they are
    free. Only for heads that declare ``space_groups``."""


class GuidanceConfig(Config):
    """Settings of the optimisation of latent vectors towards a property."""

    steps: PositiveInt = 5000
    """Steps of Adam."""
    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam, in units of the latent space."""


class Rejection(StrEnum):
    """Reasons why a latent vector gives no crystal."""

    NO_ATOMS = "no atoms were predicted"
    LENGTHS = "a lattice vector has no positive, finite length"
    ANGLES = "the three angles span no cell"
    THIN_CELL = "the cell is too thin or too small to be one"
    NOT_FINITE = "a coordinate became infinite or undefined while sampling"


@dataclass(frozen=True, kw_only=True)
class GeneratedCrystal:
    """Result of decoding one latent vector."""

    crystal: Crystal | None
    """The crystal; None: it was rejected."""
    rejected: Rejection | None = None
    """Why there is no crystal; None: there is one."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Atoms of the crystals that latent vectors are decoded to."""

    atoms_per_crystal: Tensor
    """``(crystals,)`` int64, at least 1 each."""
    atomic_numbers: Tensor | None = None
    """``(atoms,)`` int64, crystal after crystal; None: only the numbers of atoms are given."""

    @classmethod
    def of(cls, crystals: Sequence[Crystal], *, species: bool) -> Self:
        """Return the composition of crystals.

        Args:
            crystals: The crystals.
            species: Whether it has the species, or the numbers of atoms alone.
        """
        numbers = [number for crystal in crystals for number in crystal.atomic_numbers.tolist()]
        return cls(
            atoms_per_crystal=torch.tensor([crystal.num_atoms for crystal in crystals]),
            atomic_numbers=torch.tensor(numbers) if species else None,
        )


@dataclass(frozen=True, kw_only=True)
class SamplingState:
    """State of a sampling between two noise levels, from which it resumes as if never stopped."""

    level: int
    """Finished noise levels."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """Everything that changes from level to level, the state of the random numbers included."""

    def save(self, path: Path) -> None:
        """Write the state to a safetensors file, whole or not at all."""
        tensors = {name: value.cpu().contiguous() for name, value in self.tensors.items()}
        with replacing(path) as part:
            save_file(tensors, part, metadata={"format": "pt", "level": str(self.level)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a state.

        Raises:
            DataError: The file is missing or holds no such state.
        """
        from safetensors import safe_open  # noqa: PLC0415 - only to read the header

        try:
            with safe_open(path, framework="pt") as file:
                level = int(file.metadata()["level"])
            return cls(level=level, tensors=load_file(path))
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise DataError(
                f"'{path}' holds no state of a sampling ({error}); remove it to start again."
            ) from error


class GenerativeHead(TaskHead):
    """A head for the kind ``structure``: its label is the crystal itself.

    It is trained as every other head, and can decode points of its latent space into crystals.
    ``forward`` returns one row of losses per crystal, ``(crystals, terms)``, because only the
    head knows the noise that it added to the crystal; ``inverse_transform`` returns the columns
    that its metrics read, ``(crystals, columns)``.
    """

    latent_width: int
    """Width of the latent space."""
    max_atoms: int | None = None
    """Most atoms in the cell of a crystal that it decodes; None: there is no limit."""
    space_groups: ClassVar[bool] = False
    """Whether it can sample within a space group."""

    def sample_latents(
        self,
        number: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Sample latent vectors from the prior, a standard normal distribution.

        Args:
            number: Number of latent vectors.
            generator: Source of random numbers, on the CPU, so that the same seed gives the same
                vectors on every device; None: torch's own.
            device: Device of the result; None: that of the head.

        Returns:
            ``(number, latent_width)``, dimensionless, in the dtype of the head.
        """
        like = next(self.parameters())
        # Another device or dtype would turn the same seed into other vectors.
        latents = torch.randn(number, self.latent_width, generator=generator)
        return latents.to(device=like.device if device is None else device, dtype=like.dtype)

    def log_probability(self, latents: Tensor, composition: Composition) -> Tensor:
        """Return log p(atoms of the cell | latent vector), up to a constant.

        Where the composition is prescribed, latent vectors are chosen by it. A head that predicts
        no composition keeps this method, by which all of them are equally good.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
            composition: Of the cell that each would be decoded to.

        Returns:
            ``(crystals,)``, dimensionless.
        """
        return latents.new_zeros(len(latents))

    def fits_space_group(self, counts: Sequence[int], space_group: int) -> bool:
        """Return whether atoms can be arranged in the primitive cell of a space group.

        Args:
            counts: Atoms of each species.
            space_group: Its number, 1 to 230.
        """
        return self.space_groups

    def log_symmetry(self, latents: Tensor, space_group: int) -> Tensor:
        """Return log p(cell of the space group | latent vector), up to a constant.

        Latent vectors are chosen by it where a space group is prescribed.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
            space_group: Its number, 1 to 230.

        Returns:
            ``(crystals,)``, dimensionless.
        """
        return latents.new_zeros(len(latents))

    @abstractmethod
    def encode(self, embedding: Embedding) -> Tensor:
        """Return the latent vectors (means) of crystals, from which reconstruction starts.

        Args:
            embedding: The encoder's, in evaluation mode.

        Returns:
            ``(crystals, latent_width)``, dimensionless.
        """

    @abstractmethod
    def decode(
        self,
        latents: Tensor,
        *,
        sampling: SamplingConfig,
        composition: Composition | None = None,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
        checkpoint: Callable[[SamplingState], None] | None = None,
        state: SamplingState | None = None,
    ) -> list[GeneratedCrystal]:
        """Decode latent vectors into crystals, all of them together.

        No prediction of a model raises: one that is not a crystal is rejected with its reason.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless; memory grows with their number,
                so that a caller with many passes them in batches.
            sampling: Sampler, noise levels and steps.
            composition: What is known of the crystals (reconstruction) or prescribed, and stays as
                it is; None: it is predicted.
            generator: Source of random numbers, on the CPU; None: a new one seeded from torch's.
            progress: Called after every step of the sampler.
            checkpoint: Called with the state after every noise level.
            state: A state to resume from; ``latents``, ``sampling`` and ``composition`` must be
                what they were. None: from the start.

        Returns:
            One per latent vector, in order; ids are the indices of the vectors.

        Raises:
            ConfigError: The state does not belong to these latent vectors.
        """

    def guide(
        self,
        latents: Tensor,
        objective: Callable[[Tensor], Tensor],
        *,
        settings: GuidanceConfig,
        progress: Progress | None = None,
    ) -> Tensor:
        """Move latent vectors, each by itself, to where an objective is smaller.

        Args:
            latents: Start, ``(crystals, latent_width)``, dimensionless; not changed.
            objective: Latent vectors ``(crystals, latent_width)``, dimensionless → one number per
                crystal, ``(crystals,)``, differentiable: for example the squared distance of a
                property head of the same run to a target value.
            settings: Steps and their size.
            progress: Called after every step.

        Returns:
            The moved vectors, ``(crystals, latent_width)``; where the objective became infinite
            or undefined, the vector as it was before.
        """
        # A caller may have switched gradients off, as prediction does.
        with torch.inference_mode(mode=False), torch.enable_grad():
            moving = latents.detach().clone().requires_grad_()
            optimiser = torch.optim.Adam([moving], lr=settings.learning_rate)
            for step in range(settings.steps):
                # Crystals do not interact: the gradient of the sum is that of each by itself.
                (gradient,) = torch.autograd.grad(objective(moving).sum(), moving)
                finite = gradient.isfinite().all(dim=1, keepdim=True)
                moving.grad = torch.where(finite, gradient, 0.0)
                optimiser.step()
                if progress is not None:
                    progress(step + 1, settings.steps)
        return moving.detach()
