"""A trained model as ASE's calculator: what holds for every function of positions holds for it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from matsciml_core import TargetInfo, Task, load
from matsciml_core.errors import ConfigError, DataError, GeometryError
from matsciml_core.model.storage import save_model
from matsciml_util_potential.calculator import ModelCalculator

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


def numerical_forces(atoms, step=1e-4):
    forces = np.zeros((len(atoms), 3))
    for atom in range(len(atoms)):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[atom, axis] += sign * step
                moved.calc = atoms.calc
                energies.append(moved.get_potential_energy())
            forces[atom, axis] = -(energies[0] - energies[1]) / (2 * step)
    return forces


def numerical_stress(atoms, step=1e-5):
    stress = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.zeros((3, 3))
                strain[i, j] += 0.5 * sign * step
                strain[j, i] += 0.5 * sign * step
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
                strained.calc = atoms.calc
                energies.append(strained.get_potential_energy())
            stress[i, j] = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    return stress


class TestCalculator:
    @pytest.mark.parametrize("labels", [(ENERGY, FORCES), (ENERGY,), (ENERGY, FORCES, STRESS)])
    def test_forces_and_stress_are_derivatives_of_the_energy(
        self, write_force_model, tmp_path, atoms, labels
    ):
        atoms.calc = ModelCalculator(
            load(write_force_model(tmp_path / "model", labels), device="cpu")
        )
        forces = atoms.get_forces()
        assert np.abs(forces).max() > 0.1
        np.testing.assert_allclose(forces, numerical_forces(atoms), atol=2e-6)
        stress = atoms.get_stress(voigt=False)
        assert np.abs(stress).max() > 1e-3
        np.testing.assert_allclose(stress, numerical_stress(atoms), atol=1e-8)

    def test_agrees_with_predictions(self, write_force_model, tmp_path, atoms):
        model = load(write_force_model(tmp_path / "model", (ENERGY, FORCES, STRESS)), device="cpu")
        (prediction,) = model.predict(atoms)
        atoms.calc = ModelCalculator(model)
        assert atoms.get_potential_energy() == pytest.approx(prediction["energy"], rel=1e-12)
        np.testing.assert_allclose(atoms.get_forces(), prediction["forces"], atol=1e-10)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), prediction["stress"], atol=1e-12)

    def test_energy_is_extensive(self, model, atoms):
        atoms.calc = ModelCalculator(model)
        large = atoms.repeat((1, 2, 2))
        large.calc = ModelCalculator(model)
        energy = atoms.get_potential_energy()
        assert large.get_potential_energy() == pytest.approx(4 * energy, rel=1e-10)
        np.testing.assert_allclose(
            large.get_forces(), np.tile(atoms.get_forces(), (4, 1)), atol=1e-9
        )

    def test_does_not_care_which_image_an_atom_is(self, model, atoms):
        atoms.calc = ModelCalculator(model, precision="float32")
        before = atoms.get_forces()
        atoms.positions[2] += 1000 * atoms.cell.array[0] - 7 * atoms.cell.array[2]
        np.testing.assert_allclose(atoms.get_forces(), before, atol=1e-5)

    @pytest.mark.parametrize("height", [0.0, 1e-9, 1e-4, np.nan, np.inf])
    @pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 0, 1)])
    def test_a_cell_that_has_collapsed_is_rejected_in_a_sentence(self, model, atoms, height, pbc):
        atoms.calc = ModelCalculator(model)
        atoms.pbc = pbc
        atoms.cell[2] = atoms.cell[0] + [0, 0, height]
        words = "without volume|next to no volume|too flat|not finite"
        with pytest.raises(GeometryError, match=words):
            atoms.get_potential_energy()

    def test_single_precision_is_near_double(self, model, atoms):
        found = {}
        for precision in ("float32", "float64"):
            atoms.calc = ModelCalculator(model, precision=precision)
            found[precision] = atoms.get_forces()
        np.testing.assert_allclose(found["float32"], found["float64"], atol=1e-4)
        assert not np.array_equal(found["float32"], found["float64"])

    def test_stress_with_every_energy_is_the_same(self, model, atoms):
        atoms.calc = ModelCalculator(model, stress=True)
        atoms.get_potential_energy()
        assert "stress" in atoms.calc.results
        stress, forces = atoms.get_stress(), atoms.get_forces()
        atoms.calc = ModelCalculator(model)
        atoms.get_potential_energy()
        assert "stress" not in atoms.calc.results
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-10)
        np.testing.assert_allclose(atoms.get_stress(), stress, atol=1e-12)

    def test_what_is_not_periodic_has_forces_and_no_stress(self, model, atoms):
        from ase.calculators.calculator import PropertyNotImplementedError

        atoms.pbc = False
        atoms.calc = ModelCalculator(model)
        np.testing.assert_allclose(atoms.get_forces(), numerical_forces(atoms), atol=2e-6)
        with pytest.raises(PropertyNotImplementedError, match="not periodic has no stress"):
            atoms.get_stress()

    def test_unknown_element_is_rejected_unless_allowed(self, model, atoms):
        atoms.numbers[0] = 78
        atoms.calc = ModelCalculator(model)
        with pytest.raises(DataError, match=r"never seen Pt, .* it knows Cu, Au"):
            atoms.get_forces()
        atoms.calc = ModelCalculator(model, allow_unseen=True)
        assert np.isfinite(atoms.get_forces()).all()

    def test_what_is_not_finite_is_rejected(self, model, atoms):
        atoms.calc = ModelCalculator(model, precision="float32")
        with torch.no_grad():
            next(atoms.calc.model.encoder.parameters()).fill_(torch.nan)
        with pytest.raises(DataError, match="no finite energy"):
            atoms.get_forces()

    def test_model_without_energy_is_rejected(self, module_plugin_folder, write_model, tmp_path):
        model = load(write_model(tmp_path / "gap", [GAP]), device="cpu")
        with pytest.raises(ConfigError, match=r"predicts gap \(eV\), and no total energy"):
            ModelCalculator(model)

    def test_several_energies_are_told_apart_by_dataset(self, model, tmp_path, atoms):
        folder = tmp_path
        (task,) = model.tasks
        other = Task(dataset="other", head_name=task.head_name, head=copy.deepcopy(task.head))
        save_model(folder, "example", model.encoder, [task, other])
        both = load(folder, device="cpu")
        with pytest.raises(ConfigError, match="energies of 'mine' and 'other'"):
            ModelCalculator(both)
        atoms.calc = ModelCalculator(both, dataset="other")
        assert np.isfinite(atoms.get_potential_energy())
