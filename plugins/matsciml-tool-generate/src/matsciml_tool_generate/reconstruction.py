"""Reconstructing: from a crystal to its latent vector and back, and how well that works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.generation import Composition, SamplingConfig
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.sampling import generative_head
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.uniqueness import Reconstruction, reconstruction
from matsciml_tool_generate.validity import validate_all

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel


@dataclass(frozen=True, kw_only=True)
class ReconstructionSettings:
    """How to reconstruct."""

    batch_size: int = 64
    seed: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    known: str = "nothing"
    """What the decoder is told of the truth beside the latent vector: ``nothing``, the number of
    atoms (``atoms``), or all species (``species``)."""
    workers: int | None = None
    """Processes that judge; None: one per core."""


KNOWN = ("nothing", "atoms", "species")
"""Choices of ``ReconstructionSettings.known``."""


def reconstruct(
    model: TrainedModel,
    crystals: Sequence[Crystal],
    settings: ReconstructionSettings,
    report: Report = silent,
) -> tuple[list[Crystal | None], Reconstruction]:
    """Encode crystals, decode the latent vectors, and compare.

    Args:
        model: A model with a generative head.
        crystals: At least one.
        settings: How to.
        report: Receives progress.

    Returns:
        The reconstructions (None: the sampler gave up), and how well they match.

    Raises:
        ConfigError: The model makes no crystals, or a setting is unknown.
    """
    if settings.known not in KNOWN:
        raise ConfigError(f"'{settings.known}' is none of {', '.join(KNOWN)}.")
    guesses = _decode_all(model, crystals, settings, report)
    judged = [
        validate_all(
            [_candidate(one, name) for one in some],
            fingerprints=False,
            workers=settings.workers,
            label=f"judging {name}",
            report=report,
        )
        for some, name in ((guesses, "reconstructions"), (crystals, "the truth"))
    ]
    valid = [one.valid and other.valid for one, other in zip(*judged, strict=True)]
    pairs = list(zip(guesses, crystals, strict=True))
    return guesses, reconstruction(pairs, valid, workers=settings.workers, report=report)


def _decode_all(
    model: TrainedModel,
    crystals: Sequence[Crystal],
    settings: ReconstructionSettings,
    report: Report,
) -> list[Crystal | None]:
    head = generative_head(model)
    generator = torch.Generator().manual_seed(settings.seed)
    meter: Meter | None = None
    found: list[Crystal | None] = []
    for first in range(0, len(crystals), settings.batch_size):
        block = crystals[first : first + settings.batch_size]
        batch = model.batch(block)
        with torch.no_grad():
            latents = head.encode(model.encoder(batch))
        before = first

        def count(done: int, total: int, before: int = before, size: int = len(block)) -> None:
            nonlocal meter
            if meter is None:
                whole = total * len(crystals)
                meter = Meter("reconstructing", report, unit="steps", total=whole)
            meter.add(before * total + done * size - meter.done)

        made = head.decode(
            latents,
            sampling=settings.sampling,
            composition=_composition(block, settings.known),
            generator=generator,
            progress=count,
        )
        for one, truth in zip(made, block, strict=True):
            found.append(None if one.crystal is None else replace(one.crystal, id=truth.id))
    if meter is not None:
        meter.finish()
    return found


def _composition(crystals: Sequence[Crystal], known: str) -> Composition | None:
    if known == "nothing":
        return None
    numbers = [number for one in crystals for number in one.atomic_numbers.tolist()]
    return Composition(
        atoms_per_crystal=torch.tensor([one.num_atoms for one in crystals]),
        atomic_numbers=torch.tensor(numbers) if known == "species" else None,
    )


def _candidate(crystal: Crystal | None, name: str) -> ParsedStructure:
    if crystal is None:
        return ParsedStructure(name=name, fault="the sampler gave up")
    return ParsedStructure.from_crystal(crystal)
