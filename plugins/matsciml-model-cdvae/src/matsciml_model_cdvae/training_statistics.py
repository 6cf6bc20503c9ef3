"""Statistics of the training split, which the generative head fits before training."""

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
    """Frequencies of numbers of atoms and of species in the training split.

    Each counts once more than it occurs, so that nothing has an infinite loss.

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

    def set_counts(self, atoms: Tensor, species: Tensor) -> None:
        """Set the frequencies.

        Args:
            atoms: Crystals with each number of atoms, ``(max_atoms + 1,)``, dimensionless.
            species: Atoms of each species, ``(100,)``, dimensionless.
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
        scaler: Receives mean and spread of the lattice parameters.
        statistics: Receives the frequencies.
        target: The label; crystals without it do not count.

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
        labelled = ~labels.isnan()
        if not bool(labelled.any()):
            continue
        _check(batch, labelled, max_atoms)
        counts = batch.atoms_per_crystal[labelled]
        atoms += torch.bincount(counts, minlength=max_atoms + 1)
        numbers = batch.atomic_numbers[labelled[batch.crystal_index]]
        species += torch.bincount(numbers - 1, minlength=NUM_SPECIES)
        # A lattice has many cells; the predictor learns the parameters of the reduced one.
        cell = niggli_reduced(batch.cell[labelled].to(torch.float64))
        lattices.append(reduced_parameters(cell, counts))
    if not lattices:
        raise DataError("There is no crystal in the training split; choose another split.")
    statistics.set_counts(atoms, species)
    joined = torch.cat(lattices)
    scaler.mean.copy_(joined.mean(0))
    # Without Bessel's correction, which has no value for a single crystal.
    scaler.std.copy_(joined.std(0, correction=0) + LATTICE_FLOOR)


def _check(batch: CrystalBatch, labelled: Tensor, max_atoms: int) -> None:
    """Reject crystals that the head cannot generate."""
    sizes = torch.where(labelled, batch.atoms_per_crystal, 0)
    largest = int(sizes.argmax())
    if sizes[largest] > max_atoms:
        raise DataError(
            f"The crystal '{_name(batch, largest)}' has {int(sizes[largest])} atoms, and at most "
            f"{max_atoms} are generated; leave larger crystals out with --set "
            f"dataset.max_atoms={max_atoms}, or raise head.max_atoms."
        )
    numbers = torch.where(labelled[batch.crystal_index], batch.atomic_numbers, 0)
    heaviest = int(numbers.argmax())
    if numbers[heaviest] > NUM_SPECIES:
        raise DataError(
            f"The crystal '{_name(batch, int(batch.crystal_index[heaviest]))}' has an atom of the "
            f"element {int(numbers[heaviest])}; elements up to {NUM_SPECIES} are generated, "
            "choose other crystals."
        )
    aperiodic = labelled & ~batch.pbc.all(1)
    if bool(aperiodic.any()):
        raise DataError(
            f"'{_name(batch, int(aperiodic.int().argmax()))}' is not periodic in all three "
            "directions; only such crystals are generated, choose another dataset."
        )


def _name(batch: CrystalBatch, index: int) -> str:
    return batch.ids[index] if batch.ids else str(index)
