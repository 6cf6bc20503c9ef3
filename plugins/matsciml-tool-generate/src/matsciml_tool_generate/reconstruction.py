"""Reconstruction: from a crystal to its latent vector and back, and how well that works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.generation import Composition, SamplingConfig
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.matching import rms_distance
from matsciml_tool_generate.parallel import parallel_map
from matsciml_tool_generate.sampling import generative_head
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.validity import ValidityOptions, validate_all

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

CONDITIONS = ("nothing", "atoms", "species")
"""Choices of ``ReconstructionSettings.condition``."""
_MATCH_SECONDS = 0.1
"""About how long it takes to match two crystals."""


@dataclass(frozen=True, kw_only=True)
class ReconstructionSettings:
    """Settings of a reconstruction."""

    batch_size: int = 64
    seed: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    condition: str = "nothing"
    """The ground truth that the decoder is given beside the latent vector: ``nothing``, the number
    of atoms (``atoms``), or all species (``species``)."""
    workers: int | None = None
    """Processes that evaluate; None: one per core."""


@dataclass(frozen=True, kw_only=True)
class ReconstructionScore:
    """How well crystals were reconstructed."""

    match_rate: float
    """Matched crystals as a share of all; NaN where there is no crystal."""
    rms: float
    """Mean normalised distance of the matched ones, dimensionless; NaN where none matched."""
    distances: tuple[float | None, ...]
    """Of each crystal; None: no match."""


def reconstruct(
    model: TrainedModel,
    crystals: Sequence[Crystal],
    settings: ReconstructionSettings,
    report: Report = silent,
) -> tuple[list[Crystal | None], ReconstructionScore]:
    """Encode crystals, decode the latent vectors, and compare.

    Args:
        model: A model with a generative head.
        crystals: At least one.
        settings: Settings.
        report: Receives progress.

    Returns:
        The reconstructions (None: the sampler rejected its own), and how well they match.

    Raises:
        ConfigError: The model generates no crystals, or a setting is unknown.
    """
    if settings.condition not in CONDITIONS:
        raise ConfigError(f"'{settings.condition}' is none of {', '.join(CONDITIONS)}.")
    reconstructions = _decode_all(model, crystals, settings, report)
    validities = [
        validate_all(
            [
                ParsedStructure(name=label, fault="rejected by the sampler")
                if crystal is None
                else ParsedStructure.from_crystal(crystal)
                for crystal in structures
            ],
            # CDVAE's program counts without fingerprints here, and so do the published rates.
            ValidityOptions(fingerprints=False),
            workers=settings.workers,
            label=f"validity of {label}",
            report=report,
        )
        for structures, label in ((reconstructions, "reconstructions"), (crystals, "the truth"))
    ]
    valid = [made.valid and true.valid for made, true in zip(*validities, strict=True)]
    pairs = list(zip(reconstructions, crystals, strict=True))
    return reconstructions, score(pairs, valid, workers=settings.workers, report=report)


def score(
    pairs: Sequence[tuple[Crystal | None, Crystal]],
    valid: Sequence[bool],
    *,
    workers: int | None = None,
    report: Report = silent,
) -> ReconstructionScore:
    """Return match rate and RMSE of reconstructed crystals.

    Each crystal is compared with the one it was reconstructed from by StructureMatcher with the
    tolerances of CDVAE. The match rate counts over all pairs; the RMSE is the mean, over the
    matched ones, of the root mean square displacement divided by the cube root of the volume per
    atom.

    Args:
        pairs: Reconstruction (None: there is none) and truth.
        valid: Whether both crystals of a pair are valid; others do not match by definition.
        workers: Processes; None: one per core.
        report: Receives progress.

    References:
        Xie et al., ICLR (2022), section 5.1, "Metrics"; doi:10.48550/arXiv.2110.06197.
    """
    distances = parallel_map(
        rms_distance,
        [pair if ok else (None, pair[1]) for pair, ok in zip(pairs, valid, strict=True)],
        on_crash=lambda _: None,
        expected_seconds=_MATCH_SECONDS * len(pairs),
        workers=workers,
        label="matching reconstructions",
        report=report,
    )
    matched = [distance for distance in distances if distance is not None]
    return ReconstructionScore(
        match_rate=len(matched) / len(pairs) if pairs else float("nan"),
        rms=float(np.mean(matched)) if matched else float("nan"),
        distances=tuple(distances),
    )


def _decode_all(
    model: TrainedModel,
    crystals: Sequence[Crystal],
    settings: ReconstructionSettings,
    report: Report,
) -> list[Crystal | None]:
    """Return the reconstructions, decoded in batches; None where the sampler rejected its own."""
    head = generative_head(model)
    generator = torch.Generator().manual_seed(settings.seed)
    meter: Meter | None = None
    decoded: list[Crystal | None] = []

    def count(done: int, total: int) -> None:
        nonlocal meter
        if meter is None:  # the head alone knows how many steps a batch has
            whole = total * len(crystals)
            meter = Meter("reconstructing", report, unit="steps", total=whole)
        size = min(settings.batch_size, len(crystals) - len(decoded))
        meter.add(len(decoded) * total + done * size - meter.done)

    for start in range(0, len(crystals), settings.batch_size):
        truth = crystals[start : start + settings.batch_size]
        # In evaluation mode, where the embedding is the mean and not a sample.
        with torch.no_grad():
            latents = head.encode(model.encoder(model.batch(truth)))
        generated = head.decode(
            latents,
            sampling=settings.sampling,
            composition=None
            if settings.condition == "nothing"
            else Composition.of(truth, species=settings.condition == "species"),
            generator=generator,
            progress=count,
        )
        decoded += [
            None if result.crystal is None else replace(result.crystal, id=crystal.id)
            for result, crystal in zip(generated, truth, strict=True)
        ]
    if meter is not None:
        meter.finish()
    return decoded
