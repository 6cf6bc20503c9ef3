"""Trained force models in ASE and torch-sim: derivatives, relaxation, dynamics.

The weights are random: what holds for every function of positions must hold for them.
"""

from __future__ import annotations

import copy
import json
import warnings

import numpy as np
import pytest
import torch

from matsciml_core import TargetInfo, Task, load
from matsciml_core.errors import ConfigError, DataError, GeometryError
from matsciml_core.model.storage import save_model
from matsciml_tool_simulate.calculator import ModelCalculator
from matsciml_tool_simulate.torch_sim import TorchSimModel

ase_build = pytest.importorskip("ase.build", reason="ASE is not installed")
from ase import units  # noqa: E402
from ase.calculators.emt import EMT  # noqa: E402
from ase.io import read  # noqa: E402

from matsciml_tool_simulate.dynamics import Dynamics, DynamicsConfig, state_file  # noqa: E402
from matsciml_tool_simulate.relaxation import relax  # noqa: E402

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_model):
    return write_model(tmp_path_factory.mktemp("models") / "model", [ENERGY, FORCES])


@pytest.fixture
def model(folder):
    return load(folder, device="cpu")


@pytest.fixture
def atoms():
    alloy = ase_build.bulk("Cu", cubic=True, a=3.7) * (2, 1, 1)
    alloy.symbols[::3] = "Au"
    alloy.set_cell(alloy.cell.array @ [[1, 0.02, 0], [0.02, 1.01, 0.03], [0, 0.03, 0.98]], True)
    alloy.rattle(0.15, seed=3)
    return alloy


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
        self, write_model, tmp_path, atoms, labels
    ):
        atoms.calc = ModelCalculator(load(write_model(tmp_path / "model", labels), device="cpu"))
        forces = atoms.get_forces()
        assert np.abs(forces).max() > 0.1
        np.testing.assert_allclose(forces, numerical_forces(atoms), atol=2e-6)
        stress = atoms.get_stress(voigt=False)
        assert np.abs(stress).max() > 1e-3
        np.testing.assert_allclose(stress, numerical_stress(atoms), atol=1e-8)

    def test_agrees_with_predictions(self, write_model, tmp_path, atoms):
        model = load(write_model(tmp_path / "model", (ENERGY, FORCES, STRESS)), device="cpu")
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
    def test_a_cell_that_has_collapsed_is_refused_in_a_sentence(self, model, atoms, height, pbc):
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

    def test_unknown_element_is_refused_unless_allowed(self, model, atoms):
        atoms.numbers[0] = 78
        atoms.calc = ModelCalculator(model)
        with pytest.raises(DataError, match=r"never seen Pt, .* it knows Cu, Au"):
            atoms.get_forces()
        atoms.calc = ModelCalculator(model, allow_unseen=True)
        assert np.isfinite(atoms.get_forces()).all()

    def test_what_is_not_finite_is_refused(self, model, atoms):
        atoms.calc = ModelCalculator(model, precision="float32")
        with torch.no_grad():
            next(atoms.calc.model.encoder.parameters()).fill_(torch.nan)
        with pytest.raises(DataError, match="no finite energy"):
            atoms.get_forces()

    def test_model_without_energy_is_refused(self, write_model, tmp_path):
        model = load(write_model(tmp_path / "gap", [GAP], head="regression"), device="cpu")
        with pytest.raises(ConfigError, match=r"predicts gap \(eV\), and no total energy"):
            ModelCalculator(model)

    def test_several_energies_are_told_apart_by_dataset(self, model, tmp_path, atoms):
        folder = tmp_path
        (task,) = model.tasks
        other = Task(dataset="other", head_name=task.head_name, head=copy.deepcopy(task.head))
        save_model(folder, "egnn", model.encoder, [task, other])
        both = load(folder, device="cpu")
        with pytest.raises(ConfigError, match="energies of 'mine' and 'other'"):
            ModelCalculator(both)
        atoms.calc = ModelCalculator(both, dataset="other")
        assert np.isfinite(atoms.get_potential_energy())


class TestRelaxation:
    @pytest.mark.parametrize("optimiser", ["fire", "lbfgs", "bfgs"])
    def test_finds_the_minimum_of_copper(self, optimiser):
        copper = ase_build.bulk("Cu", cubic=True, a=3.7)
        copper.rattle(0.1, seed=1)
        copper.calc = EMT()
        result = relax(copper, optimiser=optimiser, cell="full", largest_force=1e-4, steps=400)
        assert result.converged
        assert result.last.largest_force < 1e-4
        assert result.last.energy < result.first.energy - 0.05
        # The lattice constant of copper in EMT, from the minimum of E(a) in steps of 1e-4 Å.
        assert (copper.get_volume()) ** (1 / 3) == pytest.approx(3.5896, abs=2e-3)
        assert result.last.pressure == pytest.approx(0.0, abs=0.01)

    def test_keeps_shape_where_only_the_volume_changes(self, atoms):
        atoms.calc = EMT()
        lengths = atoms.cell.lengths()
        relax(atoms, cell="volume", largest_force=0.01)
        ratio = atoms.cell.lengths() / lengths
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-8)
        assert abs(ratio[0] - 1) > 1e-3

    def test_reaches_the_pressure_that_is_asked_for(self):
        copper = ase_build.bulk("Cu", a=3.6)
        copper.calc = EMT()
        result = relax(copper, cell="full", pressure=10.0, largest_force=1e-4)
        assert result.converged
        assert result.last.pressure == pytest.approx(10.0, abs=0.05)

    def test_says_when_it_is_not_done(self, atoms):
        atoms.calc = EMT()
        result = relax(atoms, steps=1)
        assert not result.converged
        assert result.last.number == 1

    def test_reports_every_step(self, atoms):
        atoms.calc = EMT()
        seen = []
        result = relax(atoms, steps=3, report=seen.append)
        assert [step.number for step in seen] == [0, 1, 2, 3]
        assert (seen[0], seen[-1]) == (result.first, result.last)

    def test_refuses_a_cell_that_is_none(self, atoms):
        atoms.pbc = (True, True, False)
        atoms.calc = EMT()
        with pytest.raises(ConfigError, match="periodic in all directions"):
            relax(atoms, cell="full")


def positions_of(path):
    return [(frame.positions, frame.get_momenta()) for frame in read(path, index=":")]


class TestDynamics:
    def test_conserve_the_energy_better_with_shorter_steps(self, model, atoms, tmp_path):
        spread = {}
        for timestep, steps in ((2.0, 50), (1.0, 100)):
            moving = atoms.copy()
            moving.calc = ModelCalculator(model)
            config = DynamicsConfig(timestep=timestep, every=1, temperature=300.0)
            dynamics = Dynamics.start(moving, config, tmp_path / f"{timestep}.extxyz")
            dynamics.run(steps)
            spread[timestep] = dynamics.drift.fluctuation
        assert spread[1.0] < 1e-4
        # Velocity Verlet is of second order.
        assert spread[2.0] / spread[1.0] == pytest.approx(4.0, rel=0.25)

    @pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
    def test_stopped_and_continued_are_the_same(self, model, folder, atoms, tmp_path, ensemble):
        config = DynamicsConfig(ensemble=ensemble, every=5, timestep=2.0, temperature=500.0)

        def start(name):
            moving = atoms.copy()
            moving.calc = ModelCalculator(model, stress=ensemble == "npt")
            return Dynamics.start(moving, config, tmp_path / name, model.identity)

        whole = start("whole.extxyz")
        whole.run(40)
        start("cut.extxyz").run(17)
        Dynamics.resume(tmp_path / "cut.extxyz", load(folder, device="cpu")).run(23)
        texts = [(tmp_path / name).read_bytes() for name in ("whole.extxyz", "cut.extxyz")]
        assert texts[0] == texts[1]
        states = [state_file(tmp_path / name) for name in ("whole.extxyz", "cut.extxyz")]
        assert states[0].read_bytes() == states[1].read_bytes()

    def test_frames_after_the_last_saved_state_are_cut_off(self, model, atoms, tmp_path):
        path = tmp_path / "md.extxyz"
        atoms.calc = ModelCalculator(model)
        dynamics = Dynamics.start(atoms, DynamicsConfig(every=5), path, model.identity)
        dynamics.run(10)
        whole = path.read_bytes()
        with path.open("ab") as stream:  # a frame, and half of one, written before a kill
            stream.write(whole[:700])
        resumed = Dynamics.resume(path, model)
        assert path.read_bytes() == whole
        resumed.run(5)
        assert [frame.info["step"] for frame in read(path, index=":")] == [0, 5, 10, 15]

    def test_frames_hold_energy_forces_and_momenta(self, model, atoms, tmp_path):
        atoms.calc = ModelCalculator(model)
        Dynamics.start(atoms, DynamicsConfig(every=2), tmp_path / "md.extxyz").run(4)
        last = read(tmp_path / "md.extxyz", index=-1)
        assert last.get_potential_energy() == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(last.get_forces(), atoms.get_forces(), atol=1e-7)
        np.testing.assert_allclose(last.get_momenta(), atoms.get_momenta(), atol=1e-7)
        assert last.info["time_fs"] == 4.0

    def test_of_another_model_are_not_continued(self, model, write_model, atoms, tmp_path):
        atoms.calc = ModelCalculator(model)
        Dynamics.start(atoms, DynamicsConfig(), tmp_path / "md.extxyz", model.identity)
        other = load(write_model(tmp_path / "other", [ENERGY, FORCES], scale=400.0), device="cpu")
        with pytest.raises(ConfigError, match="made with another model"):
            Dynamics.resume(tmp_path / "md.extxyz", other)

    def test_of_a_damaged_state_are_not_continued(self, model, atoms, tmp_path):
        path = tmp_path / "md.extxyz"
        atoms.calc = ModelCalculator(model)
        Dynamics.start(atoms, DynamicsConfig(), path, model.identity)
        state = json.loads(state_file(path).read_text())
        for key in ("atoms", "random"):
            state_file(path).write_text(json.dumps({**state, key: {}}))
            with pytest.raises(ConfigError, match="is damaged"):
                Dynamics.resume(path, model)
        state_file(path).write_text("{")
        with pytest.raises(ConfigError, match="cannot be read"):
            Dynamics.resume(path, model)

    def test_that_never_began_are_not_continued(self, model, tmp_path):
        with pytest.raises(ConfigError, match=r"no trajectory .* to continue"):
            Dynamics.resume(tmp_path / "md.extxyz", model)

    def test_that_blow_up_are_stopped(self, model, atoms, tmp_path):
        atoms.calc = ModelCalculator(model)
        dynamics = Dynamics.start(atoms, DynamicsConfig(every=1), tmp_path / "md.extxyz")
        atoms.set_momenta(atoms.get_momenta() * 1e3)
        with pytest.raises(DataError, match=r"blown up|no finite"):
            dynamics.run(50)
        assert len(read(tmp_path / "md.extxyz", index=":")) >= 1

    def test_at_constant_pressure_need_a_crystal(self, model, atoms, tmp_path):
        atoms.pbc = (True, True, False)
        atoms.calc = ModelCalculator(model)
        with pytest.raises(ConfigError, match="Constant pressure needs a crystal"):
            Dynamics.start(atoms, DynamicsConfig(ensemble="npt"), tmp_path / "md.extxyz")

    @pytest.mark.slow
    def test_a_thermostat_keeps_the_temperature(self, tmp_path):
        copper = ase_build.bulk("Cu", cubic=True).repeat(2)
        copper.calc = EMT()
        config = DynamicsConfig(
            ensemble="nvt", temperature=400.0, timestep=4.0, thermostat_time=40.0, every=5
        )
        dynamics = Dynamics.start(copper, config, tmp_path / "md.extxyz")
        dynamics.run(500)
        seen = []
        dynamics.run(4000, lambda frame: seen.append(frame.temperature))
        # Kinetic energies of 96 degrees of freedom scatter by sqrt(2 / 96) = 14 %, and 400 frames
        # with a memory of 10 frames are about 40 of them: 2.3 %.
        assert np.mean(seen) == pytest.approx(400.0, rel=0.08)
        assert np.std(seen) / 400.0 == pytest.approx(np.sqrt(2 / 96), rel=0.3)

    @pytest.mark.slow
    def test_a_barostat_compresses(self, tmp_path):
        volumes = {}
        for pressure in (0.0, 20.0):
            copper = ase_build.bulk("Cu", cubic=True).repeat(2)
            copper.calc = EMT()
            config = DynamicsConfig(
                ensemble="npt",
                pressure=pressure,
                timestep=4.0,
                thermostat_time=40.0,
                barostat_time=200.0,
                every=5,
            )
            dynamics = Dynamics.start(copper, config, tmp_path / f"{pressure}.extxyz")
            dynamics.run(300)
            seen = []
            dynamics.run(1000, lambda frame, seen=seen: seen.append(frame.volume))
            volumes[pressure] = np.mean(seen)
        relaxed = ase_build.bulk("Cu", cubic=True).repeat(2)
        relaxed.calc = EMT()
        static = relax(relaxed, cell="volume", pressure=20.0, largest_force=1e-3).last.volume
        assert volumes[20.0] == pytest.approx(static, rel=0.02)
        assert volumes[0.0] > 1.08 * volumes[20.0]


class TestTorchSim:
    @pytest.fixture
    def torch_sim(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pytest.importorskip(
                "torch_sim", reason="torch-sim is not installed: pip install torch-sim-atomistic"
            )

    def test_gives_what_the_calculator_gives(self, torch_sim, model, atoms):
        small = atoms.copy()
        large = atoms.repeat((1, 2, 1))
        large.rattle(0.05, seed=2)
        state = torch_sim.io.atoms_to_state([small, large], torch.device("cpu"), torch.float64)
        found = TorchSimModel(model)(state)
        first = 0
        for number, one in enumerate((small, large)):
            one.calc = ModelCalculator(model)
            rows = slice(first, first + len(one))
            first += len(one)
            assert float(found["energy"][number]) == pytest.approx(one.get_potential_energy())
            np.testing.assert_allclose(found["forces"][rows], one.get_forces(), atol=1e-9)
            np.testing.assert_allclose(
                found["stress"][number], one.get_stress(voigt=False), atol=1e-11
            )

    def test_keeps_the_interface(self, torch_sim, write_model, tmp_path):
        from torch_sim.models.interface import validate_model_outputs

        folder = write_model(tmp_path / "any", [ENERGY, FORCES])
        description = folder / "model.json"
        description.write_text(description.read_text().replace('"Au"', '"Au", "Si", "Fe"'))
        model = TorchSimModel(load(folder, device="cpu"))
        validate_model_outputs(model, torch.device("cpu"), torch.float64)

    def test_moves_several_systems_and_conserves_their_energies(self, torch_sim, model, atoms):
        from torch_sim.integrators import nve

        wrapped = TorchSimModel(model, stress=False)
        state = torch_sim.io.atoms_to_state([atoms, atoms], wrapped.device, wrapped.dtype)
        thermal = torch.tensor(300.0 * units.kB, dtype=torch.float64)
        time = torch.tensor(1.0 * units.fs, dtype=torch.float64)
        if isinstance(nve, type(torch_sim)):
            pytest.skip("this torch-sim has no nve(model, dt, kT)")
        start, step = nve(wrapped, dt=time, kT=thermal)
        moving = start(state, seed=1)
        totals = []
        for _ in range(30):
            moving = step(moving, dt=time)
            kinetic = 0.5 * (moving.momenta.square() / moving.masses[:, None]).sum(1)
            total = moving.energy + torch.zeros(2, dtype=torch.float64).index_add(
                0, moving.system_idx, kinetic
            )
            totals.append(total)
        assert torch.stack(totals).std(dim=0).max() / len(atoms) < 1e-4

    def test_refuses_unknown_elements(self, torch_sim, model, atoms):
        atoms.numbers[0] = 78
        state = torch_sim.io.atoms_to_state([atoms], torch.device("cpu"), torch.float64)
        with pytest.raises(DataError, match="never seen Pt"):
            TorchSimModel(model)(state)
