"""What the generative head fits on the training split before training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, TargetInfo
from matsciml_core.errors import DataError
from matsciml_model_cdvae.gemnet import NUM_SPECIES
from matsciml_model_cdvae.niggli import niggli_reduced
from matsciml_model_cdvae.predictors import LATTICE_FLOOR, LatticeScaler, reduced_parameters


class Statistics(nn.Module):
    """How often numbers of atoms and species occur in the training split.

    Each counts once more than it occurs, so that nothing is impossible.

    Args:
        max_atoms: Most atoms in a crystal.
    """

    log_atoms: Tensor
    """Logarithm of the share of crystals with each number of atoms, ``(max_atoms + 1,)``."""
    log_species: Tensor
    """Logarithm of the share of atoms of each species, ``(100,)``."""

    def __init__(self, max_atoms: int) -> None:
        """Start with equal shares."""
        super().__init__()
        for name, count in (("log_atoms", max_atoms + 1), ("log_species", NUM_SPECIES)):
            even = torch.full((count,), 1.0 / count, dtype=torch.float64)
            self.register_buffer(name, even.log())

    def set(self, atoms: Tensor, species: Tensor) -> None:
        """Keep what was counted.

        Args:
            atoms: Crystals with each number of atoms, ``(max_atoms + 1,)``.
            species: Atoms of each species, ``(100,)``.
        """
        for buffer, counts in ((self.log_atoms, atoms), (self.log_species, species)):
            smoothed = counts.to(torch.float64) + 1.0
            buffer.copy_((smoothed / smoothed.sum()).log())


def fit_statistics(
    training: Iterable[CrystalBatch],
    scaler: LatticeScaler,
    statistics: Statistics,
    target: TargetInfo,
) -> None:
    """Fit scaler and statistics on the labelled crystals of the training split.

    Args:
        training: The training split, read once.
        scaler: Is given mean and spread of the lattice parameters.
        statistics: Is given the frequencies.
        target: The label that says which crystals count.

    Raises:
        DataError: There is no crystal, or one that the head cannot generate.
    """
    max_atoms = len(statistics.log_atoms) - 1
    atoms, species = torch.zeros(max_atoms + 1), torch.zeros(NUM_SPECIES)
    lattices: list[Tensor] = []
    for batch in training:
        labels = batch.targets.get(target.name)
        if labels is None:
            continue
        known = ~labels.isnan()
        if not bool(known.any()):
            continue
        _check(batch, known, max_atoms)
        counts = batch.atoms_per_crystal[known]
        atoms += torch.bincount(counts, minlength=max_atoms + 1)
        chosen = batch.atomic_numbers[known[batch.crystal_index]]
        species += torch.bincount(chosen - 1, minlength=NUM_SPECIES)
        cell = niggli_reduced(batch.cell[known].to(torch.float64))
        lattices.append(reduced_parameters(cell, counts))
    if not lattices:
        raise DataError("There is no crystal in the training split; choose another split.")
    statistics.set(atoms, species)
    joined = torch.cat(lattices)
    scaler.mean.copy_(joined.mean(0))
    scaler.std.copy_(joined.std(0, correction=0) + LATTICE_FLOOR)


def _check(batch: CrystalBatch, known: Tensor, max_atoms: int) -> None:
    """Refuse crystals that the head cannot generate."""
    sizes = torch.where(known, batch.atoms_per_crystal, 0)
    largest = int(sizes.argmax())
    if sizes[largest] > max_atoms:
        raise DataError(
            f"The crystal '{_name(batch, largest)}' has {int(sizes[largest])} atoms, and at most "
            f"{max_atoms} are generated; leave larger crystals out with --set "
            f"dataset.max_atoms={max_atoms}, or raise head.max_atoms."
        )
    numbers = torch.where(known[batch.crystal_index], batch.atomic_numbers, 0)
    heaviest = int(numbers.argmax())
    if numbers[heaviest] > NUM_SPECIES:
        raise DataError(
            f"The crystal '{_name(batch, int(batch.crystal_index[heaviest]))}' has an atom of the "
            f"element {int(numbers[heaviest])}; elements up to {NUM_SPECIES} are generated, "
            "choose other crystals."
        )
    open_ones = known & ~batch.pbc.all(1)
    if bool(open_ones.any()):
        raise DataError(
            f"'{_name(batch, int(open_ones.int().argmax()))}' is not periodic in all three "
            "directions; only such crystals are generated, choose another dataset."
        )


def _name(batch: CrystalBatch, number: int) -> str:
    return batch.ids[number] if batch.ids else str(number)
