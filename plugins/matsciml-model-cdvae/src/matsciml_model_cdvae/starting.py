"""What sampling starts from: predicted cells that are ones, and species by predicted shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_core.interfaces.generation import Rejection
from matsciml_model_cdvae.gemnet import NUM_SPECIES
from matsciml_model_cdvae.lattice import heights, lattice_vectors

SMALLEST_HEIGHT = 0.8
"""Smallest distance between opposite faces of a cell, Å; no crystal comes near it."""
LONGEST = 200.0
"""Longest lattice vector, Å, that is taken for one."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Predicted cells, and what is wrong with them."""

    vectors: Tensor
    """Lattice vectors as rows, ``(crystals, 3, 3)``, Å; of rejected ones anything."""
    rejections: list[Rejection | None]
    """For each crystal; None: nothing is wrong."""


def check_cells(parameters: Tensor, atoms_per_crystal: Tensor) -> Cells:
    """Turn predicted lattice parameters into cells, and say which ones are none.

    Args:
        parameters: a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``; any numbers.
        atoms_per_crystal: ``(crystals,)`` int64.
    """
    exact = parameters.to("cpu", torch.float64)
    lengths, angles = exact[:, :3], exact[:, 3:]
    cells = lattice_vectors(exact)
    largest = angles.amax(dim=1)
    # Three angles span a cell if they add up to less than 360°, and none exceeds the others' sum.
    spans = (angles > 0).all(1) & (angles.sum(1) < 360) & (2 * largest < angles.sum(1))
    checks = (
        (Rejection.NO_ATOMS, atoms_per_crystal.cpu() > 0),
        (Rejection.LENGTHS, ((lengths > 0) & (lengths < LONGEST)).all(1)),  # false for NaN
        (Rejection.ANGLES, spans),
        (Rejection.THIN_CELL, heights(cells).amin(dim=1) > SMALLEST_HEIGHT),
    )
    rejections = [
        next((reason for reason, passed in checks if not passed[number]), None)
        for number in range(len(exact))
    ]
    return Cells(vectors=cells.to(parameters), rejections=rejections)


def draw_composition(
    logits: Tensor, atoms_per_crystal: Tensor, generator: torch.Generator
) -> Tensor:
    """Draw the species of crystals such that their shares come close to the predicted ones.

    Of each species there are round(N p) atoms. Missing ones are drawn from what rounding left
    over, and of too many some are left out at random.

    Args:
        logits: ``(crystals, 100)``, on the CPU.
        atoms_per_crystal: ``(crystals,)`` int64.
        generator: Source of random numbers.

    Returns:
        ``(atoms,)`` int64, crystal after crystal.
    """
    even = 1.0 / NUM_SPECIES
    shares = logits.to(torch.float64).softmax(1).nan_to_num(even)
    wanted = shares * atoms_per_crystal.unsqueeze(1)
    counts = wanted.round().to(torch.int64)
    rest = (wanted - counts).clamp(min=0.0) + 1e-12  # (crystals, 100)
    drawn = []
    for kinds, left, number in zip(counts, rest, atoms_per_crystal.tolist(), strict=True):
        species = torch.repeat_interleave(kinds)
        missing = max(number - len(species), 0)
        if missing:
            more = torch.multinomial(left, missing, replacement=True, generator=generator)
            species = torch.cat((species, more))
        drawn.append(species[torch.randperm(len(species), generator=generator)[:number]])
    return torch.cat(drawn)
