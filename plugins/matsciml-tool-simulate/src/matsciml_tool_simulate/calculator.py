"""A trained model as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_tool_simulate.potential import Potential

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of the stress in ASE's order: xx, yy, zz, yz, xz, xy."""


class ModelCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, ASE's sign) of a trained model.

    Forces and stress are derivatives of the energy. Neighbours are searched anew for every
    geometry: that takes a few per cent of the time that the model takes.

    Args:
        model: The model; it must predict a total energy.
        device: ``auto``, ``cpu``, ``cuda``, …; None: where the model is.
        precision: ``float32`` or ``float64``; None: the model's.
        dataset: Which energy, where the model predicts those of several datasets.
        stress: Whether to calculate the stress with every energy, rather than when it is asked
            for: whoever needs it at every step saves half of the time.
        allow_unseen: Whether to calculate with elements that the model has never seen.

    Raises:
        ConfigError: The model predicts no energy, or there is no such device or precision.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 - ASE's

    def __init__(
        self,
        model: TrainedModel,
        *,
        device: str | None = None,
        precision: str | None = None,
        dataset: str | None = None,
        stress: bool = False,
        allow_unseen: bool = False,
    ) -> None:
        """Prepare the model."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model.to(device, precision)
        self.always_stress = stress
        self.allow_unseen = allow_unseen
        self._potential = Potential(self.model, dataset)

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Calculate; called by ASE.

        Args:
            atoms: The atoms.
            properties: What is wanted.
            system_changes: What has changed since the last call.

        Raises:
            DataError: An element is unknown to the model, or what it predicts is not finite.
            GeometryError: The cell or a position is none, as where dynamics have blown up.
            PropertyNotImplementedError: The stress of what is not periodic in all directions.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        crystal = self._crystal(self.atoms)
        stress = self.always_stress or "stress" in properties
        if stress and not crystal.pbc.all():
            raise PropertyNotImplementedError("What is not periodic has no stress.")
        found = self._potential(self.model.batch([crystal]), stress=stress)
        self.results = {"energy": found.energy.item(), "free_energy": found.energy.item()}
        if found.forces is not None:
            self.results["forces"] = found.forces.cpu().numpy()
        if found.stress is not None:
            tensor = found.stress[0].cpu().numpy()
            self.results["stress"] = tensor[*_VOIGT]
        if not all(np.isfinite(value).all() for value in self.results.values()):
            raise DataError(
                f"The model gives no finite energy or force for '{crystal.id}'; the structure is "
                "far from everything it was trained on."
            )

    def _crystal(self, atoms: Any) -> Crystal:
        """Return the atoms, wrapped into the cell, where single precision resolves them best."""
        crystal = Crystal(
            id=atoms.get_chemical_formula(),
            atomic_numbers=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
        )
        if crystal.pbc.any():  # only now is it known that there is a cell to wrap into
            crystal = replace(crystal, positions=atoms.get_positions(wrap=True))
        unseen = () if self.allow_unseen else self.model.unseen(crystal)
        if unseen:
            raise DataError(
                f"The model has never seen {', '.join(unseen)}, so that its forces would be "
                f"guesses; it knows {', '.join(self.model.elements or ())}."
            )
        return crystal
