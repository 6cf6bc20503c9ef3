"""Energies of a trained model with their exact derivatives, whatever its heads were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.strategy import Task

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    """Energies of a batch of crystals, and what follows from them; float64, without graph."""

    energy: Tensor
    """``(crystals,)``, eV."""
    forces: Tensor | None = None
    """−∂E/∂x, ``(atoms, 3)``, eV/Å."""
    stress: Tensor | None = None
    """(∂E/∂ε)/V, ``(crystals, 3, 3)``, eV/Å³, positive under tension."""


class Potential:
    """The energy that a model predicts, as a function of positions and cell.

    Forces and stress are derivatives of that one energy, so that they are conservative also where
    the model was trained on energies alone, and where it has no stress head.

    Args:
        model: The model.
        dataset: Which energy, where the model predicts those of several datasets.

    Raises:
        ConfigError: The model predicts no energy, or several.
    """

    def __init__(self, model: TrainedModel, dataset: str | None = None) -> None:
        """Find the head that predicts the energy."""
        self.model = model
        self.task = _energy_task(model, dataset)
        self._by_kind = {info.kind: info.name for info in self.task.head.targets}

    def __call__(
        self, batch: CrystalBatch, *, forces: bool = True, stress: bool = False
    ) -> Derivatives:
        """Return energies, and what is asked for of forces and stress.

        Args:
            batch: Crystals with the edges that the encoder asks for, in the model's precision.
            forces: Whether to differentiate with respect to positions.
            stress: Whether to differentiate with respect to a strain.
        """
        head = self.task.head
        needed = forces or stress or head.needs_position_gradient
        with torch.inference_mode(mode=False), torch.set_grad_enabled(needed):
            strain = batch.cell.new_zeros(batch.cell.shape).requires_grad_(needed)
            positions = batch.positions.detach().requires_grad_(needed)
            strained = _strained(batch, positions, strain)
            output = head(self.model.encoder(strained), strained)
            found = head.to_physical(output, strained)
            energy = found[self._by_kind["energy"]]
            own = found.get(self._by_kind.get("forces", ""))
            if forces and not stress and own is not None:  # the head has differentiated already
                return Derivatives(energy=energy.detach(), forces=own.detach())
            return _differentiate(energy, positions, strain, batch, forces=forces, stress=stress)


def _strained(batch: CrystalBatch, positions: Tensor, strain: Tensor) -> CrystalBatch:
    """Return the batch under a strain of zero, of which only the symmetric part counts."""
    symmetric = 0.5 * (strain + strain.transpose(1, 2))  # a rotation changes no energy
    moved = torch.bmm(positions.unsqueeze(1), symmetric[batch.crystal_index]).squeeze(1)
    return replace(
        batch, positions=positions + moved, cell=batch.cell + torch.bmm(batch.cell, symmetric)
    )


def _differentiate(
    energy: Tensor,
    positions: Tensor,
    strain: Tensor,
    batch: CrystalBatch,
    *,
    forces: bool,
    stress: bool,
) -> Derivatives:
    inputs = [positions] * forces + [strain] * stress
    if not inputs:
        return Derivatives(energy=energy.detach())
    found = torch.autograd.grad(energy.sum(), inputs, materialize_grads=True)
    volume = torch.linalg.det(batch.cell.to(torch.float64)).abs().view(-1, 1, 1)
    return Derivatives(
        energy=energy.detach(),
        forces=-found[0].to(torch.float64) if forces else None,
        stress=found[-1].to(torch.float64) / volume if stress else None,
    )


def _energy_task(model: TrainedModel, dataset: str | None) -> Task:
    """Return the task that predicts a total energy."""
    able = [task for task in model.tasks if any(one.kind == "energy" for one in task.head.targets)]
    if not able:
        labels = ", ".join(f"{name} ({info.unit})" for name, info in model.targets.items())
        raise ConfigError(
            f"The model in '{model.folder}' predicts {labels or 'no label'}, and no total energy "
            "to take forces from; train one, for example with --target energy --target forces."
        )
    chosen = [task for task in able if dataset in (None, task.dataset)]
    if len(chosen) != 1:
        raise ConfigError(
            f"The model in '{model.folder}' predicts energies of {_names(able)}; say which one is "
            "meant by naming its dataset."
        )
    return chosen[0]


def _names(tasks: Sequence[Task]) -> str:
    return " and ".join(f"'{task.dataset}'" for task in tasks)
