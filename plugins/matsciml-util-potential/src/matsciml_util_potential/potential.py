"""Energies of a trained model with their exact derivatives, whatever its heads were trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.elements import symbol
from matsciml_core.interfaces.strategy import Task

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel


_LISTED = 20
"""Most elements that an error lists one by one."""


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    """Energies of a batch of crystals, and their derivatives; float64, without graph."""

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
        self._names = {info.kind: info.name for info in self.task.head.targets}
        # Its own derivatives would be computed beside those here, of positions and strain at once.
        self._head = self.task.head.restricted([self._names["energy"]])

    def __call__(
        self, batch: CrystalBatch, *, forces: bool = True, stress: bool = False
    ) -> Derivatives:
        """Return energies, and what is asked for of forces and stress.

        Args:
            batch: Crystals with the edges that the encoder asks for, in the model's precision.
            forces: Whether to differentiate with respect to positions.
            stress: Whether to differentiate with respect to a strain.
        """
        head = self._head
        differentiable = forces or stress or head.needs_position_gradient
        with torch.inference_mode(mode=False), torch.set_grad_enabled(differentiable):
            strain = batch.cell.new_zeros(batch.cell.shape).requires_grad_(differentiable)
            positions = batch.positions.detach().requires_grad_(differentiable)
            strained = _apply_strain(batch, positions, strain)
            values = head.inverse_transform(head(self.model.encoder(strained), strained), strained)
            energy = values[self._names["energy"]]
            own = values.get(self._names.get("forces", ""))
            if forces and not stress and own is not None:  # the head has differentiated already
                return Derivatives(energy=energy.detach(), forces=own.detach())
            inputs = [positions] * forces + [strain] * stress
            if not inputs:
                return Derivatives(energy=energy.detach())
            gradients = torch.autograd.grad(energy.sum(), inputs, materialize_grads=True)
        # The volume in double precision: a float32 determinant has three digits fewer.
        volume = torch.linalg.det(batch.cell.to(torch.float64)).abs().view(-1, 1, 1)
        return Derivatives(
            energy=energy.detach(),
            forces=-gradients[0].to(torch.float64) if forces else None,
            stress=gradients[-1].to(torch.float64) / volume if stress else None,
        )

    def by_edge(self, batch: CrystalBatch) -> tuple[Tensor, Tensor]:
        """Return the energies and their derivatives by the ends of the edges, one by one.

        Only of encoders that know positions by way of the vectors along edges alone is the sum of
        these derivatives over the edges of an atom its force.

        Args:
            batch: Crystals with edges, and with the unit matrix as cell, so that the shift of an
                edge is a vector, in Å, by which its sender is moved.

        Returns:
            Energies ``(crystals,)``, eV, and ∂E/∂shift ``(edges, 3)``, eV/Å; float64, no graph.

        Raises:
            ConfigError: The batch has no edges.
        """
        if batch.cell_shift is None:
            raise ConfigError("The model looks at no neighbours, so that its energy has no edges.")
        with torch.inference_mode(mode=False), torch.enable_grad():
            shift = batch.cell_shift.detach().requires_grad_()
            # Heads that take forces themselves ask positions for a gradient.
            moved = replace(batch, cell_shift=shift, positions=batch.positions.detach())
            if self._head.needs_position_gradient:
                moved.positions.requires_grad_()
            values = self._head.inverse_transform(
                self._head(self.model.encoder(moved), moved), moved
            )
            energy = values[self._names["energy"]]
            (slope,) = torch.autograd.grad(energy.sum(), shift, materialize_grads=True)
        return energy.detach(), slope.to(torch.float64)

    def check_elements(self, atomic_numbers: Iterable[int]) -> None:
        """Reject elements that no training crystal had.

        Args:
            atomic_numbers: Atomic numbers, dimensionless, in any order.

        Raises:
            DataError: The model has never seen one of them.
        """
        elements = self.model.elements
        if elements is None:  # not recorded
            return
        unseen = [name for name in map(symbol, sorted(set(atomic_numbers))) if name not in elements]
        if unseen:
            known = f"it knows {', '.join(elements)}"
            if len(elements) > _LISTED:
                known = f"it knows {len(elements)} other elements"
            raise DataError(
                f"The model has never seen {', '.join(unseen)}, so that its forces would be "
                f"guesses; {known}."
            )


def _apply_strain(batch: CrystalBatch, positions: Tensor, strain: Tensor) -> CrystalBatch:
    """Return the batch under a strain of zero, which carries the gradient of the stress."""
    # Only the symmetric part: the rest is a rotation, which changes no energy.
    symmetric = 0.5 * (strain + strain.transpose(1, 2))
    displacement = torch.bmm(positions.unsqueeze(1), symmetric[batch.crystal_index]).squeeze(1)
    return replace(
        batch,
        positions=positions + displacement,
        cell=batch.cell + torch.bmm(batch.cell, symmetric),
    )


def _energy_task(model: TrainedModel, dataset: str | None) -> Task:
    """Return the task that predicts a total energy."""
    tasks = [
        task for task in model.tasks if any(info.kind == "energy" for info in task.head.targets)
    ]
    if not tasks:
        labels = ", ".join(f"{name} ({info.unit})" for name, info in model.targets.items())
        raise ConfigError(
            f"The model in '{model.folder}' predicts {labels or 'no label'}, and no total energy "
            "to take forces from; train one, for example with --target energy --target forces."
        )
    matching = [task for task in tasks if dataset in (None, task.dataset)]
    if len(matching) != 1:
        names = " and ".join(f"'{task.dataset}'" for task in tasks)
        raise ConfigError(
            f"The model in '{model.folder}' predicts energies of {names}; say which one is meant "
            "by naming its dataset."
        )
    return matching[0]
