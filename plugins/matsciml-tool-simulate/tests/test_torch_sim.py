"""A trained model as torch-sim's."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
import torch
from ase import units

import matsciml_tool_simulate
from matsciml_core import load
from matsciml_core.errors import ConfigError, DataError, MissingPackageError
from matsciml_tool_simulate import ModelCalculator


@pytest.mark.skipif(
    importlib.util.find_spec("torch_sim") is not None, reason="torch-sim is installed"
)
def test_without_torch_sim_it_is_one_sentence():
    with pytest.raises(MissingPackageError, match="run: pip install 'torch-sim-atomistic'"):
        _ = matsciml_tool_simulate.TorchSimModel


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
        found = matsciml_tool_simulate.TorchSimModel(model)(state)
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

    def test_keeps_the_interface(self, torch_sim, write_force_model, tmp_path):
        from torch_sim.models.interface import validate_model_outputs

        folder = write_force_model(tmp_path / "any")
        description = folder / "model.json"
        description.write_text(description.read_text().replace('"Au"', '"Au", "Si", "Fe"'))
        model = matsciml_tool_simulate.TorchSimModel(load(folder, device="cpu"))
        validate_model_outputs(model, torch.device("cpu"), torch.float64)

    def test_moves_several_systems_and_conserves_their_energies(self, torch_sim, model, atoms):
        from torch_sim.integrators import nve

        wrapped = matsciml_tool_simulate.TorchSimModel(model, stress=False)
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

    def test_rejects_unknown_elements(self, torch_sim, model, atoms):
        atoms.numbers[0] = 78
        state = torch_sim.io.atoms_to_state([atoms], torch.device("cpu"), torch.float64)
        with pytest.raises(DataError, match="never seen Pt"):
            matsciml_tool_simulate.TorchSimModel(model)(state)

    def test_refuses_what_torch_sim_takes_for_something_else(self, torch_sim, model, atoms):
        slab, cluster = atoms.copy(), atoms.copy()
        slab.pbc = (True, True, False)
        cluster.pbc = False
        device = torch.device("cpu")
        calculator = matsciml_tool_simulate.TorchSimModel(model)
        for structure, words in ((slab, "one or two directions"), (cluster, "has no stress")):
            state = torch_sim.io.atoms_to_state([structure], device, torch.float64)
            with pytest.raises(ConfigError, match=words):
                calculator(state)
        state = torch_sim.io.atoms_to_state([cluster], device, torch.float64)
        without = matsciml_tool_simulate.TorchSimModel(model, stress=False)
        assert torch.isfinite(without(state)["energy"]).all()
