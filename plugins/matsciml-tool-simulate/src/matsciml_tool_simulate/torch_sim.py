"""A trained model as torch-sim takes it, for many systems at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_sim.models.interface import ModelInterface

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.model.pretrained import require_neighbours
from matsciml_util_potential.potential import Potential

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
        # Attributes by which torch-sim's base class answers ``device``, ``compute_stress``, ….
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
            ``energy`` ``(systems,)``, eV, ``forces`` ``(atoms, 3)``, eV/Å, and ``stress``
            ``(systems, 3, 3)``, eV/Å³, in the model's precision.

        Raises:
            ConfigError: Systems are periodic in one or two directions, or have no cell and are to
                have a stress.
            DataError: An element is unknown to the model, or an atom has no neighbour and the model
                came trained without such.
            GeometryError: Cell and positions describe no crystal, as where dynamics blow up.
        """
        batch = _to_batch(state)
        _check_periodic(batch, stress=self._compute_stress)
        self._potential.check_elements(batch.atomic_numbers.tolist())
        if self.model.encoder.neighbours is not None:
            batch = attach_neighbours(batch, self.model.encoder.neighbours)
            require_neighbours(self.model.description, batch)
        output = self._potential(batch.to(self._device, self._dtype), stress=self._compute_stress)
        results = {"energy": output.energy, "forces": output.forces, "stress": output.stress}
        return {
            name: values.to(self._dtype) for name, values in results.items() if values is not None
        }


def _check_periodic(batch: CrystalBatch, *, stress: bool) -> None:
    """Refuse what torch-sim 0.3.0 treats as something else.

    It moves slabs as if they were clusters; and the stress of what has no volume is infinite.
    """
    some, every = batch.pbc.any(dim=1), batch.pbc.all(dim=1)
    if bool((some & ~every).any()):
        raise ConfigError(
            "torch-sim moves what is periodic in one or two directions as if it were a cluster; "
            "make it periodic in all three with some 15 Å of vacuum, or use the ASE calculator."
        )
    if stress and not bool(every.all()):
        raise ConfigError(
            "What is not periodic has no stress; build the model with "
            "TorchSimModel(…, stress=False)."
        )


def _to_batch(state: Any) -> CrystalBatch:
    """Return the systems as a batch in double precision on the CPU, where edges are searched."""

    def field(name: str) -> Any:
        return state.get(name) if isinstance(state, Mapping) else getattr(state, name, None)

    numbers = field("atomic_numbers").detach().to("cpu", torch.int64)
    cell = field("cell").detach().to("cpu", torch.float64).reshape(-1, 3, 3)
    # A single system may come without index, and one flag may stand for all three axes.
    system, pbc = field("system_idx"), field("pbc")
    system = torch.zeros_like(numbers) if system is None else system.detach().to("cpu", torch.int64)
    pbc = torch.as_tensor(True if pbc is None else pbc).cpu()
    return CrystalBatch(
        atomic_numbers=numbers,
        positions=field("positions").detach().to("cpu", torch.float64),
        cell=cell.transpose(1, 2).contiguous(),  # columns to rows
        pbc=pbc.expand(len(cell), 3).clone(),
        crystal_index=system,
        atoms_per_crystal=torch.bincount(system, minlength=len(cell)),
    )
