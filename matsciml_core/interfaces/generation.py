"""The GenerativeHead interface: a head that can make crystals, and what it is asked and answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from matsciml_core.errors import DataError
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding
from matsciml_core.interfaces.head import TaskHead

Progress = Callable[[int, int], None]
"""Told how many steps are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class LatentEmbedding(Embedding):
    """What a variational encoder returns: beside the embedding, the distribution it is from.

    ``crystals`` is a draw from the distribution in training mode and its mean in evaluation mode,
    so that every head of the run, of whatever kind, reads points of the space that a generative
    head decodes.
    """

    mean: Tensor
    """Mean of the latent normal distribution, ``(crystals, crystal_width)``, dimensionless."""
    log_variance: Tensor
    """Logarithm of its variance, ``(crystals, crystal_width)``, dimensionless."""


class SamplingConfig(Config):
    """How crystals are drawn from a trained model."""

    levels: PositiveInt | None = None
    """Noise levels, from the largest to the smallest that was trained, each the same factor below
    the one before; empty: as many as were trained."""
    steps_per_level: PositiveInt = 100
    """Langevin steps at each noise level."""
    step_size: PositiveFloat = 1e-4
    """Size of a Langevin step at the smallest noise level, Å²; it grows as the square of the
    noise."""
    smallest_sigma: float = Field(default=0.0, ge=0.0)
    """Noise levels below this, Å, are left out."""


class GuidanceConfig(Config):
    """How latent vectors are moved towards a wanted property."""

    steps: PositiveInt = 5000
    """Steps of Adam."""
    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam, in units of the latent space."""


class Rejection(StrEnum):
    """Why no crystal came out of a latent vector."""

    NO_ATOMS = "no atoms were predicted"
    LENGTHS = "a lattice vector has no positive, finite length"
    ANGLES = "the three angles span no cell"
    THIN_CELL = "the cell is too thin or too small to be one"
    NOT_FINITE = "a coordinate became infinite or undefined while sampling"


@dataclass(frozen=True, kw_only=True)
class GeneratedCrystal:
    """What became of one latent vector."""

    crystal: Crystal | None
    """The crystal; None: it was rejected."""
    rejected: Rejection | None = None
    """Why there is no crystal; None: there is one."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What is known of the crystals that latent vectors are decoded to."""

    atoms_per_crystal: Tensor
    """``(crystals,)`` int64, at least 1 each."""
    atomic_numbers: Tensor | None = None
    """``(atoms,)`` int64, crystal after crystal; None: only the numbers of atoms are known."""


@dataclass(frozen=True, kw_only=True)
class SamplingState:
    """Where a sampling stands between two noise levels; with it, it goes on as if never stopped."""

    level: int
    """Noise levels that are done."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """Everything that changes from level to level, the state of the random numbers included."""

    def save(self, path: Path) -> None:
        """Write the state to a safetensors file, whole or not at all."""
        part = path.with_name(f"{path.name}.part")
        tensors = {name: value.cpu().contiguous() for name, value in self.tensors.items()}
        save_file(tensors, part, metadata={"format": "pt", "level": str(self.level)})
        part.replace(path)

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
    head knows what it did to the crystal; ``inverse_transform`` returns the columns that its
    metrics read, ``(crystals, columns)``.
    """

    latent_width: int
    """Width of the latent space."""

    def sample_latents(
        self,
        number: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Draw latent vectors from the prior, a standard normal distribution.

        Args:
            number: How many.
            generator: Source of random numbers, on the CPU, so that the same seed gives the same
                vectors on every device; None: torch's own.
            device: Where to put them; None: where the head is.

        Returns:
            ``(number, latent_width)``, dimensionless, in the dtype of the head.
        """
        like = next(self.parameters())
        drawn = torch.randn(number, self.latent_width, generator=generator)
        return drawn.to(device=like.device if device is None else device, dtype=like.dtype)

    @abstractmethod
    def encode(self, embedding: Embedding) -> Tensor:
        """Return the latent vectors (means) of crystals, as reconstruction starts from.

        Args:
            embedding: What the encoder said of the crystals, in evaluation mode.

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
        """Turn latent vectors into crystals, all of them together.

        Nothing that a model can come up with raises: what is no crystal is rejected and says why.

        Args:
            latents: ``(crystals, latent_width)``; memory grows with their number, so that a
                caller with many passes them in batches.
            sampling: Noise levels and steps.
            composition: What is known of the crystals (reconstruction); None: it is predicted.
            generator: Source of random numbers, on the CPU; None: a new one seeded from torch's.
            progress: Told of every Langevin step.
            checkpoint: Given the state after every noise level.
            state: A state to go on from; ``latents``, ``sampling`` and ``composition`` must be
                what they were. None: from the start.

        Returns:
            One per latent vector, in order; ids are the numbers of the vectors.

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
            latents: Where to start, ``(crystals, latent_width)``; not changed.
            objective: Latent vectors → one number per crystal, ``(crystals,)``, differentiable:
                for example how far a property head of the same run is from a wanted value.
            settings: Steps and their size.
            progress: Told of every step.

        Returns:
            The moved vectors, ``(crystals, latent_width)``; where the objective became infinite
            or undefined, the vector as it was before.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            moving = latents.detach().clone().requires_grad_()
            optimiser = torch.optim.Adam([moving], lr=settings.learning_rate)
            for step in range(settings.steps):
                (gradient,) = torch.autograd.grad(objective(moving).sum(), moving)
                finite = gradient.isfinite().all(dim=1, keepdim=True)
                moving.grad = torch.where(finite, gradient, 0.0)
                optimiser.step()
                if progress is not None:
                    progress(step + 1, settings.steps)
        return moving.detach()
