"""A trained model as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from numpy.typing import NDArray

from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_util_potential.potential import Derivatives, Potential

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of the stress in ASE's order: xx, yy, zz, yz, xz, xy."""


class ModelCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, ASE's sign) of a trained model.

    Forces and stress are derivatives of the energy. Neighbours are searched anew for every
    geometry: that takes a few per cent of the time that the model takes. Of an ensemble they are
    means over its members, which is a potential, too.

    Args:
        model: The model, or an ensemble of models; it must predict a total energy.
        device: ``auto``, ``cpu``, ``cuda``, …; None: where the model is.
        precision: ``float32`` or ``float64``; None: the model's.
        dataset: Which energy, where the model predicts those of several datasets.
        stress: Whether to calculate the stress with every energy, rather than when it is asked
            for: where each step needs it, that saves half of the time.
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
        members = getattr(self.model, "members", (self.model,))
        self._potentials = [Potential(member, dataset) for member in members]
        self.force_spread: float | None = None
        """How far the members of an ensemble differ in the forces of the last structure, eV/Å: the
        norm of the standard deviations (n − 1) of the components, of the atom where it is largest.
        None: of a single model, or nothing was calculated yet."""

    @property
    def knows_spread(self) -> bool:
        """Whether the model is an ensemble, whose forces have a spread."""
        return len(self._potentials) > 1

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Calculate; called by ASE.

        Args:
            atoms: The atoms.
            properties: Names of the properties that are asked for.
            system_changes: What has changed since the last call.

        Raises:
            DataError: An element is unknown to the model, or what it predicts is not finite.
            GeometryError: Cell and positions describe no crystal, as where dynamics blow up.
            PropertyNotImplementedError: The stress of what is not periodic in all directions.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        crystal = _to_crystal(self.atoms)
        if not self.allow_unseen:
            for potential in self._potentials:
                potential.check_elements(crystal.atomic_numbers.tolist())
        stress = self.always_stress or "stress" in properties
        if stress and not crystal.pbc.all():
            raise PropertyNotImplementedError("What is not periodic has no stress.")
        # Each member finds the neighbours that it asks for.
        outputs = [
            potential(potential.model.batch([crystal]), stress=stress)
            for potential in self._potentials
        ]
        # No electrons, hence no smearing: the energy is the free energy that forces belong to.
        energy = float(np.mean([output.energy.item() for output in outputs]))
        self.results = {"energy": energy, "free_energy": energy}
        forces = _stacked(outputs, "forces")  # (models, atoms, 3)
        self.results["forces"] = forces.mean(axis=0)
        if stress:
            self.results["stress"] = _stacked(outputs, "stress").mean(axis=0)[0][*_VOIGT]
        if len(outputs) > 1:
            deviations = forces.std(axis=0, ddof=1)  # (atoms, 3)
            self.force_spread = float(np.linalg.norm(deviations, axis=1).max())
        if not all(np.isfinite(value).all() for value in self.results.values()):
            raise DataError(
                f"The model gives no finite energy or force for '{crystal.id}'; the structure is "
                "far from everything it was trained on."
            )


def _stacked(outputs: Sequence[Derivatives], name: str) -> NDArray[Any]:
    """Return one kind of derivatives of all models, the models along the first axis."""
    return np.stack([getattr(output, name).cpu().numpy() for output in outputs])


def _to_crystal(atoms: Any) -> Crystal:
    """Return the atoms, wrapped into the cell, where single precision resolves them best."""
    crystal = Crystal(
        id=atoms.get_chemical_formula(),
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
    )
    # ASE wraps by solving with the cell, which the crystal has just found to be sound.
    return replace(crystal, positions=atoms.get_positions(wrap=True)) if any(atoms.pbc) else crystal
