"""A trained model as torch-sim wants it, for many systems at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_sim.models.interface import ModelInterface

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.elements import SYMBOLS, symbol
from matsciml_tool_simulate.potential import Potential

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel


class TorchSimModel(ModelInterface):  # type: ignore[misc] # torch-sim is optional
    """Energies (eV), forces (eV/Å) and stresses (eV/Å³) of all systems of a torch-sim state.

    Args:
        model: The model; it must predict a total energy.
        device: ``auto``, ``cpu``, ``cuda``, …; None: where the model is.
        precision: ``float32`` or ``float64``, also that of the states; None: the model's.
        dataset: Which energy, where the model predicts those of several datasets.
        stress: Whether to calculate stresses, which dynamics at constant pressure and
            relaxation of the cell need.

    Raises:
        ConfigError: The model predicts no energy, or there is no such device or precision.
    """

    def __init__(
        self,
        model: TrainedModel,
        *,
        device: str | None = None,
        precision: str | None = None,
        dataset: str | None = None,
        stress: bool = True,
    ) -> None:
        """Prepare the model."""
        super().__init__()
        self.model = model.to(device, precision)
        self._device, self._dtype = self.model.device, self.model.dtype
        self._compute_forces, self._compute_stress = True, stress
        self._potential = Potential(self.model, dataset)

    def forward(self, state: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Calculate energies, forces and, where asked for, stresses.

        Args:
            state: A ``SimState`` of torch-sim, or its attributes as a dictionary. Its cell has
                lattice vectors as columns.
            **kwargs: Ignored.

        Returns:
            ``energy`` ``(systems,)``, ``forces`` ``(atoms, 3)`` and ``stress``
            ``(systems, 3, 3)``, in the model's precision.

        Raises:
            DataError: An element is unknown to the model.
            GeometryError: A cell or a position is none, as where dynamics have blown up.
        """
        batch = self._batch(state)
        if self.model.encoder.neighbours is not None:
            batch = attach_neighbours(batch, self.model.encoder.neighbours)
        found = self._potential(batch.to(self._device, self._dtype), stress=self._compute_stress)
        results = {"energy": found.energy, "forces": found.forces, "stress": found.stress}
        return {name: one.to(self._dtype) for name, one in results.items() if one is not None}

    def _batch(self, state: Any) -> CrystalBatch:
        """Return the systems as a batch on the processor, where neighbours are searched."""
        numbers = _part(state, "atomic_numbers").detach().to("cpu", torch.int64)
        self._check_elements(numbers)
        cell = _part(state, "cell").detach().to("cpu", torch.float64).reshape(-1, 3, 3)
        owner = _part(state, "system_idx")
        owner = torch.zeros_like(numbers) if owner is None else owner.detach().cpu()
        periodic = _part(state, "pbc")
        periodic = torch.as_tensor(True if periodic is None else periodic).cpu()
        return CrystalBatch(
            atomic_numbers=numbers,
            positions=_part(state, "positions").detach().to("cpu", torch.float64),
            cell=cell.transpose(1, 2).contiguous(),
            pbc=periodic.expand(len(cell), 3).clone(),
            crystal_index=owner.to(torch.int64),
            atoms_per_crystal=torch.bincount(owner, minlength=len(cell)),
        )

    def _check_elements(self, numbers: Tensor) -> None:
        known = SYMBOLS if self.model.elements is None else self.model.elements
        unseen = [one for one in map(symbol, sorted(set(numbers.tolist()))) if one not in known]
        if unseen:
            raise DataError(
                f"The model has never seen {', '.join(unseen)}, so that its forces would be "
                f"guesses; it knows {', '.join(known)}."
            )


def _part(state: Any, name: str) -> Any:
    """Return an attribute of a state, or of its dictionary; None where there is none."""
    return state.get(name) if isinstance(state, Mapping) else getattr(state, name, None)
