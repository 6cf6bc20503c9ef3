"""What the head fits on the training split before training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_core import CrystalBatch, TargetInfo, Values
from matsciml_core.errors import DataError
from matsciml_core.nn.element_fit import ELEMENTS, ElementFit


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Constants of the training labels, float64."""

    references: Tensor
    """``(119,)``, eV; zero where there are no energies."""
    mean: Tensor
    """Mean of what the references leave, eV/atom."""
    energy_std: Tensor
    """Standard deviation of what the references leave, eV/atom."""
    mean_energy_per_atom: Tensor
    """eV/atom."""
    force_rms: Tensor
    """Root mean square of the force components, eV/Å."""
    stress_rms: Tensor
    """Root mean square of the stress components, eV/Å³."""
    mean_stress: Tensor
    """``(3, 3)``, eV/Å³."""
    has_energies: bool
    has_forces: bool


class _Moments:
    """Sum, sum of squares and number of the labelled rows of forces or stress."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.sum = torch.zeros(shape, dtype=torch.float64)
        self.square = torch.zeros(shape, dtype=torch.float64)

    def add(self, labels: Tensor, known: Tensor) -> None:
        rows = labels.to(torch.float64)[known.flatten(1).all(1)]
        self.count += len(rows)
        self.sum += rows.sum(0)
        self.square += rows.square().sum(0)

    @property
    def mean(self) -> Tensor:
        return self.sum / max(self.count, 1)

    @property
    def rms(self) -> Tensor:
        return (self.square / max(self.count, 1)).mean().sqrt()


def fit_constants(
    training: Iterable[CrystalBatch],
    by_kind: Mapping[str, TargetInfo],
    mask: Callable[[CrystalBatch], Values],
) -> Constants:
    """Fit reference energies and spreads.

    Args:
        training: The training split, read once.
        by_kind: The targets by their kind: energy, forces, stress.
        mask: Says which labels of a batch count.

    Returns:
        The constants.

    Raises:
        DataError: A label is missing everywhere.
    """
    energies, forces, stress = ElementFit(), _Moments((3,)), _Moments((3, 3))
    counts: dict[str, ElementFit | _Moments]
    counts = {"energy": energies, "forces": forces, "stress": stress}
    for batch in training:
        counted = mask(batch)
        for kind, info in by_kind.items():
            labels = batch.targets.get(info.name)
            if labels is None:
                continue
            if kind == "energy":
                energies.add(batch, labels.double() / batch.atoms_per_crystal, counted[info.name])
            else:
                (forces if kind == "forces" else stress).add(labels, counted[info.name])
    for kind, info in by_kind.items():
        if not counts[kind].count:
            raise DataError(
                f"No crystal of the training split has the label '{info.name}'; choose another "
                "target."
            )
    zero = torch.zeros((), dtype=torch.float64)
    known = energies.count > 0
    mean, std = energies.residual() if known else (zero, zero)
    return Constants(
        references=energies.solve() if known else zero.expand(ELEMENTS),
        mean=mean,
        energy_std=std,
        mean_energy_per_atom=energies.mean if known else zero,
        force_rms=forces.rms,
        stress_rms=stress.rms,
        mean_stress=stress.mean,
        has_energies=known,
        has_forces=forces.count > 0,
    )
