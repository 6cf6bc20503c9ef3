"""The initial state of sampling: predicted cells, checked, and species by predicted shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_core.interfaces.generation import Rejection
from matsciml_model_cdvae.gemnet import NUM_SPECIES
from matsciml_model_cdvae.lattice import heights, lattice_vectors

SMALLEST_HEIGHT = 0.8
"""Smallest distance between opposite faces of a cell, Å; no crystal comes near it."""
LARGEST_LENGTH = 200.0
"""Longest lattice vector, Å, that is accepted."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Predicted cells, and reasons to reject some."""

    vectors: Tensor
    """Lattice vectors as rows, ``(crystals, 3, 3)``, Å; arbitrary where rejected."""
    rejections: list[Rejection | None]
    """For each crystal; None: it is accepted."""


def check_cells(parameters: Tensor, atoms_per_crystal: Tensor) -> Cells:
    """Convert predicted lattice parameters to cells, and reject those that are impossible.

    Args:
        parameters: a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``; any numbers.
        atoms_per_crystal: ``(crystals,)`` int64, dimensionless.
    """
    cells, checks = _checked(parameters, atoms_per_crystal)
    rejections = [
        next((reason for reason, passed in checks if not passed[index]), None)
        for index in range(len(cells))
    ]
    return Cells(vectors=cells.to(parameters), rejections=rejections)


def are_possible(parameters: Tensor) -> Tensor:
    """Return which lattice parameters span a cell that is accepted, ``(crystals,)`` bool.

    Args:
        parameters: a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``; any numbers.
    """
    _, checks = _checked(parameters, torch.ones(len(parameters)))
    return torch.stack([passed for _, passed in checks]).all(0)


def _checked(
    parameters: Tensor, atoms_per_crystal: Tensor
) -> tuple[Tensor, tuple[tuple[Rejection, Tensor], ...]]:
    """Return cells, and for each reason which of them are not rejected by it; on the CPU."""
    # On the CPU, since the reasons are read one by one, and each would wait for the device.
    exact = parameters.to("cpu", torch.float64)
    lengths, angles = exact[:, :3], exact[:, 3:]
    cells = lattice_vectors(exact)
    largest = angles.amax(dim=1)
    # Three angles span a cell if they add up to less than 360°, and none exceeds the others' sum.
    spans = (angles > 0).all(1) & (angles.sum(1) < 360) & (2 * largest < angles.sum(1))
    checks = (
        (Rejection.NO_ATOMS, atoms_per_crystal.cpu() > 0),
        (Rejection.LENGTHS, ((lengths > 0) & (lengths < LARGEST_LENGTH)).all(1)),  # false for NaN
        (Rejection.ANGLES, spans),
        (Rejection.THIN_CELL, heights(cells).amin(dim=1) > SMALLEST_HEIGHT),
    )
    return cells, checks


def sample_species(logits: Tensor, atoms_per_crystal: Tensor, generator: torch.Generator) -> Tensor:
    """Sample the species of crystals such that their shares come close to the predicted ones.

    Of each species there are round(N p) atoms. Missing ones are sampled from what rounding left
    over, and of too many some are left out at random.

    Args:
        logits: ``(crystals, 100)``, dimensionless, on the CPU.
        atoms_per_crystal: ``(crystals,)`` int64, dimensionless.
        generator: Source of random numbers.

    Returns:
        ``(atoms,)`` int64, crystal after crystal.
    """
    # Logits of a badly trained model may be NaN; then every species is equally likely.
    shares = logits.to(torch.float64).softmax(1).nan_to_num(1.0 / NUM_SPECIES)
    expected = shares * atoms_per_crystal.unsqueeze(1)
    counts = expected.round().to(torch.int64)
    # multinomial needs a positive weight even where rounding left nothing over.
    remainders = (expected - counts).clamp(min=0.0) + 1e-12  # (crystals, 100)
    sampled = []
    for count, remainder, number in zip(
        counts, remainders, atoms_per_crystal.tolist(), strict=True
    ):
        species = torch.repeat_interleave(count)
        missing = max(number - len(species), 0)
        if missing:
            more = torch.multinomial(remainder, missing, replacement=True, generator=generator)
            species = torch.cat((species, more))
        sampled.append(species[torch.randperm(len(species), generator=generator)[:number]])
    return torch.cat(sampled)
