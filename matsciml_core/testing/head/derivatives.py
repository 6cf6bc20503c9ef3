"""The check of a task head for forces and stress: they are derivatives of the energy it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.testing.checks import SEED, Measured, NotApplicable, Worst, check
from matsciml_core.testing.head.subject import Bench, TaskHeadSubject
from matsciml_core.testing.tolerances import GRADIENT

Motion = Callable[[CrystalBatch, float], CrystalBatch]
_STEPS = (1e-3, 1e-4, 1e-5)
"""Å, or dimensionless for a strain; the best of three."""


@check("task-head", tolerance=GRADIENT)
def conservative(subject: TaskHeadSubject) -> Measured:
    """Forces and stress are derivatives of the energy, in physical units and with the right sign.

    Measured: atoms are displaced, and crystals strained, in a random direction; central
    differences of the predicted energies in eV are compared with −F · dx and V · stress · dε,
    relative to the largest of them. Only for heads that predict an energy with either of them.

    Why: forces that are no derivative do not conserve energy in molecular dynamics; a factor
    between energy and forces comes from a normalisation that was undone in one of them only, and
    a wrong sign of the stress turns tension into pressure.
    """
    worst, applicable = Worst(), False
    for bench in subject.benches():
        names: dict[str, str] = {info.kind: info.name for info in bench.head.targets}
        if "energy" in names and "forces" in names:
            worst.add(_forces_error(bench, names), "of the forces")
            applicable = True
        if "energy" in names and "stress" in names:
            worst.add(_stress_error(bench, names), "of the stress")
            applicable = True
    if not applicable:
        raise NotApplicable("The head predicts no energy with its forces or stress.")
    return worst.found


def _forces_error(bench: Bench, names: dict[str, str]) -> float:
    batch = bench.batch
    direction = _random(batch.num_atoms, 3).to(batch.positions)

    def move(batch: CrystalBatch, step: float) -> CrystalBatch:
        return replace(batch, positions=batch.positions.detach() + step * direction)

    work = (bench.physical()[names["forces"]].to(direction) * direction).sum(1)
    sums = direction.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, work)
    # F = −dE/dx: along the displacement the energy (eV) changes by −F · dx.
    return _error(bench, names["energy"], move, -sums)


def _stress_error(bench: Bench, names: dict[str, str]) -> float:
    batch = bench.batch
    strain = _random(batch.num_crystals, 3, 3).to(batch.cell)
    # Symmetric: the antisymmetric part is a rotation, along which the stress says nothing.
    strain = 0.5 * (strain + strain.transpose(1, 2))

    def move(batch: CrystalBatch, step: float) -> CrystalBatch:
        deformation = torch.eye(3).to(strain) + step * strain
        positions = batch.positions.detach().unsqueeze(1) @ deformation[batch.crystal_index]
        return replace(
            batch, positions=positions.squeeze(1), cell=batch.cell.detach() @ deformation
        )

    volume = torch.linalg.det(batch.cell.detach()).abs()
    # The stress is dE/dε per volume (Å³), positive in tension.
    stress = bench.physical()[names["stress"]].to(strain)
    return _error(bench, names["energy"], move, volume * (stress * strain).sum((1, 2)))


def _error(bench: Bench, energy: str, move: Motion, expected: Tensor) -> float:
    scale = float(expected.abs().max().clamp_min(1e-30))
    errors = []
    for step in _STEPS:
        ahead, behind = (
            Bench(head=bench.head, batch=move(bench.batch, s), embed=bench.embed).physical()[energy]
            for s in (step, -step)
        )
        errors.append(float(((ahead - behind) / (2 * step) - expected).abs().max()) / scale)
    return min(errors)


def _random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
