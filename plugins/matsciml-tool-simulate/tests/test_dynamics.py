"""Molecular dynamics: conservation, ensembles, and going on where they were stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read

from matsciml_core import load
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.model.ensembles import write_ensemble
from matsciml_tool_simulate import Dynamics, DynamicsConfig, ModelCalculator, relax
from matsciml_tool_simulate.dynamics import state_file


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

    def test_of_another_model_are_not_continued(self, model, write_force_model, atoms, tmp_path):
        atoms.calc = ModelCalculator(model)
        Dynamics.start(atoms, DynamicsConfig(), tmp_path / "md.extxyz", model.identity)
        other = load(write_force_model(tmp_path / "other", scale=4.0), device="cpu")
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
        with pytest.raises(DataError, match=r"blown up.* step"):
            dynamics.run(50)
        assert len(read(tmp_path / "md.extxyz", index=":")) >= 1

    def test_at_constant_pressure_need_a_crystal(self, model, atoms, tmp_path):
        atoms.pbc = (True, True, False)
        atoms.calc = ModelCalculator(model)
        with pytest.raises(ConfigError, match="Constant pressure needs a crystal"):
            Dynamics.start(atoms, DynamicsConfig(ensemble="npt"), tmp_path / "md.extxyz")

    @pytest.mark.slow
    def test_a_thermostat_keeps_the_temperature(self, tmp_path):
        copper = bulk("Cu", cubic=True).repeat(2)
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
            copper = bulk("Cu", cubic=True).repeat(2)
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
        relaxed = bulk("Cu", cubic=True).repeat(2)
        relaxed.calc = EMT()
        static = relax(relaxed, cell="volume", pressure=20.0, largest_force=1e-3).final.volume
        assert volumes[20.0] == pytest.approx(static, rel=0.02)
        assert volumes[0.0] > 1.08 * volumes[20.0]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory, write_force_model):
    """Two models of the same weights whose energies are of another scale."""
    folder = tmp_path_factory.mktemp("ensemble")
    members = [write_force_model(folder / str(scale), scale=scale) for scale in (5.0, 6.0)]
    write_ensemble(folder, members, {})
    return folder


class TestDynamicsOfAnEnsemble:
    def test_are_those_of_the_mean(self, ensemble, atoms):
        members = []
        for name in ("5.0", "6.0"):
            atoms.calc = ModelCalculator(load(ensemble / name, device="cpu"), stress=True)
            members.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
        atoms.calc = ModelCalculator(load(ensemble, device="cpu"), stress=True)
        joint = (atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())
        for value, one, other in zip(joint, *members, strict=True):
            assert np.allclose(value, (one + other) / 2, rtol=1e-12, atol=1e-12)
        # Of two numbers the standard deviation is their difference divided by the root of 2.
        difference = np.linalg.norm(members[0][1] - members[1][1], axis=1).max()
        assert atoms.calc.force_spread == pytest.approx(difference / np.sqrt(2), rel=1e-12)

    def test_conserve_the_energy(self, ensemble, atoms, tmp_path):
        atoms.calc = ModelCalculator(load(ensemble, device="cpu"))
        dynamics = Dynamics.start(atoms, DynamicsConfig(every=1), tmp_path / "md.extxyz")
        dynamics.run(50)
        assert dynamics.drift.fluctuation < 1e-4

    def test_stop_where_the_models_differ_and_at_no_earlier_step(self, ensemble, atoms, tmp_path):
        model = load(ensemble, device="cpu")
        spreads, paths = [], (tmp_path / "free.extxyz", tmp_path / "md.extxyz")
        for path in paths:
            moving = atoms.copy()
            moving.calc = ModelCalculator(model)
            limit = max(spreads[:20]) if spreads else None
            config = DynamicsConfig(
                every=1 if limit is None else 7, temperature=900.0, max_spread=limit
            )
            dynamics = Dynamics.start(moving, config, path, model.identity)
            dynamics.run(60)
            spreads = spreads or [frame.info["force_spread"] for frame in read(path, ":")]
        first = next(step for step, spread in enumerate(spreads) if spread > limit)
        assert (dynamics.step, dynamics.is_uncertain) == (first, True)
        frames = read(paths[1], ":")
        assert [frame.info["step"] for frame in frames] == [*range(0, first, 7), first]
        assert np.allclose(frames[-1].positions, read(paths[0], first).positions, atol=1e-9)
        resumed = Dynamics.resume(paths[1], load(ensemble, device="cpu"))
        resumed.run(5)
        assert (resumed.step, len(read(paths[1], ":"))) == (first, len(frames))

    def test_of_a_single_model_cannot_stop_at_a_spread(self, model, atoms, tmp_path):
        atoms.calc = ModelCalculator(model)
        with pytest.raises(ConfigError, match="name an ensemble"):
            Dynamics.start(atoms, DynamicsConfig(max_spread=0.1), tmp_path / "md.extxyz")
