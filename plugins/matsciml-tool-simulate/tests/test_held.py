"""What a file says of the motion of its atoms holds on every way: read, moved, stopped, resumed."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLengths, FixCartesian, FixScaled, Hookean
from ase.io import read, write

from matsciml_cli.app import execute
from matsciml_core import build_registry, load
from matsciml_core.errors import ConfigError
from matsciml_tool_simulate import Dynamics, DynamicsConfig, ModelCalculator, relax


@pytest.fixture
def skewed():
    """Return atoms in a cell without right angles, where lattice vectors are no Cartesian axes."""
    alloy = bulk("Cu", cubic=False, a=3.7) * (2, 2, 2)
    alloy.symbols[::3] = "Au"
    alloy.rattle(0.12, seed=5)
    return alloy


CONSTRAINTS = {
    "atoms": (FixAtoms([0, 3]), np.eye(3)),
    "cartesian": (FixCartesian([0, 3], (False, True, True)), np.eye(3)[:, 1:]),
    "one-lattice-vector": (FixScaled([0, 3], (True, False, False)), "lattice"),
    "two-lattice-vectors": (FixScaled([0, 3], (True, True, False)), "lattice"),
}


def held_shift(before, after, constraint):
    """Return the coordinates of the shift, Å, that must be zero."""
    shift = after.positions[[0, 3]] - before.positions[[0, 3]]
    if isinstance(constraint, FixScaled):
        return (shift @ np.linalg.inv(before.cell.array))[:, constraint.mask]
    return shift if isinstance(constraint, FixAtoms) else shift[:, constraint.mask]


def moved(before, after):
    return np.abs(after.positions - before.positions).max()


@pytest.mark.parametrize("name", CONSTRAINTS)
class TestEveryKind:
    @pytest.mark.parametrize("ensemble", ["nve", "nvt"])
    def test_stays_in_dynamics_also_when_resumed(self, folder, skewed, tmp_path, name, ensemble):
        constraint, _ = CONSTRAINTS[name]
        config = DynamicsConfig(ensemble=ensemble, every=5, timestep=2.0, temperature=600.0)

        def start(file):
            atoms = skewed.copy()
            atoms.set_constraint(constraint.copy())
            atoms.set_masses([200.0 if index == 1 else None for index in range(len(atoms))])
            atoms.set_tags(range(len(atoms)))
            atoms.calc = ModelCalculator(load(folder, device="cpu"))
            return Dynamics.start(atoms, config, tmp_path / file, atoms.calc.model.identity)

        whole = start("whole.extxyz")
        whole.run(40)
        np.testing.assert_allclose(held_shift(skewed, whole.atoms, constraint), 0, atol=1e-9)
        assert moved(skewed, whole.atoms) > 0.05
        start("cut.extxyz").run(17)
        resumed = Dynamics.resume(tmp_path / "cut.extxyz", load(folder, device="cpu"))
        resumed.run(23)
        np.testing.assert_allclose(held_shift(skewed, resumed.atoms, constraint), 0, atol=1e-9)
        assert (tmp_path / "cut.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
        assert resumed.atoms.get_masses()[1] == 200.0

    def test_stays_when_relaxed(self, model, skewed, name):
        constraint, _ = CONSTRAINTS[name]
        atoms = skewed.copy()
        atoms.set_constraint(constraint.copy())
        atoms.calc = ModelCalculator(model)
        relax(atoms, steps=20, largest_force=1e-4)
        np.testing.assert_allclose(held_shift(skewed, atoms, constraint), 0, atol=1e-9)
        assert moved(skewed, atoms) > 0.01


class TestTheCell:
    def test_takes_held_atoms_with_it(self, model, skewed):
        atoms = skewed.copy()
        atoms.set_constraint(FixAtoms([0, 3]))
        atoms.calc = ModelCalculator(model, stress=True)
        before = atoms.get_scaled_positions(wrap=False)[[0, 3]]
        relax(atoms, steps=10, largest_force=1e-4, cell="full")
        after = atoms.get_scaled_positions(wrap=False)[[0, 3]]
        np.testing.assert_allclose(after, before, atol=1e-9)
        assert np.abs(atoms.cell.array - skewed.cell.array).max() > 1e-3

    def test_at_constant_pressure_holds_nothing(self, model, skewed, tmp_path):
        skewed.set_constraint(FixAtoms([0]))
        skewed.calc = ModelCalculator(model, stress=True)
        with pytest.raises(ConfigError, match="also of those that are held"):
            Dynamics.start(skewed, DynamicsConfig(ensemble="npt"), tmp_path / "md.extxyz")


class TestWhatCannotBeKept:
    def test_is_refused_by_dynamics(self, model, skewed, tmp_path):
        skewed.set_constraint(Hookean(0, 1, 5.0, 2.0))
        skewed.calc = ModelCalculator(model)
        with pytest.raises(ConfigError, match="cannot be continued with the constraint Hookean"):
            Dynamics.start(skewed, DynamicsConfig(), tmp_path / "md.extxyz")

    @pytest.mark.parametrize("command", ["relax", "md"])
    def test_is_refused_by_the_commands(self, folder, skewed, tmp_path, capsys, command):
        if not any(".traj" in spec.suffixes for spec in build_registry().specs("reader")):
            pytest.skip("no reader of ASE's trajectories: pip install matsciml-reader-ase")
        skewed.set_constraint(FixBondLengths([[0, 1]]))
        write(tmp_path / "bond.traj", skewed)
        output = tmp_path / "out.extxyz"
        code = execute([command, str(folder), str(tmp_path / "bond.traj"), "-o", str(output)])
        assert code == 2
        assert "are held by bond lengths" in capsys.readouterr().err
        assert not output.exists()


FORMATS = {
    "extxyz": ("atoms", "cartesian"),
    "traj": ("atoms", "cartesian", "one-lattice-vector", "two-lattice-vectors"),
    "vasp": ("atoms", "one-lattice-vector", "two-lattice-vectors"),
}


@pytest.mark.parametrize(
    ("suffix", "name"), [(suffix, name) for suffix, names in FORMATS.items() for name in names]
)
class TestEveryFile:
    def test_holds_its_atoms_through_the_commands(
        self, folder, skewed, tmp_path, monkeypatch, suffix, name
    ):
        if not any(f".{suffix}" in spec.suffixes for spec in build_registry().specs("reader")):
            pytest.skip(f"no reader of .{suffix} is installed")
        monkeypatch.chdir(tmp_path)
        skewed = skewed[skewed.numbers.argsort()]  # as VASP sorts them
        constraint, _ = CONSTRAINTS[name]
        skewed.set_constraint(constraint.copy())
        write(f"slab.{suffix}", skewed)
        assert execute(["relax", str(folder), f"slab.{suffix}", "--steps", "5"]) in (0, 1)
        options = ("--every", "5", "--timestep", "2")
        assert execute(["md", str(folder), f"slab.{suffix}", "--steps", "10", *options]) == 0
        resume = ("--resume", "slab-md.extxyz", "--steps", "10")
        assert execute(["md", str(folder), *resume]) == 0
        # What was written holds its atoms when it is read again.
        again = ("slab-relaxed.extxyz", "--steps", "5", "--output", "again.extxyz")
        assert execute(["relax", str(folder), *again]) in (0, 1)
        start = read("slab-md.extxyz", index=0)
        for after in ("slab-relaxed.extxyz", "again.extxyz", "slab-md.extxyz"):
            shift = held_shift(start, read(after), constraint)
            np.testing.assert_allclose(shift, 0, atol=2e-7)  # eight decimals in extended XYZ
            assert moved(start, read(after)) > 1e-3


class TestMasses:
    def test_of_a_file_count(self, folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        speeds = {}
        for mass in (None, 200.0):
            copper = bulk("Cu", cubic=True, a=3.7)
            copper.rattle(0.1, seed=3)
            if mass is not None:
                copper.set_masses([mass] * 4)
            write("cu.extxyz", copper)
            options = ("--steps", "2", "--every", "1", "--replace")
            assert execute(["md", str(folder), "cu.extxyz", *options]) == 0
            last = read("cu-md.extxyz", index=0)
            assert last.get_masses()[0] == (mass or pytest.approx(63.546))
            speeds[mass] = np.abs(last.get_velocities()).max()
        # At one temperature speeds go as 1/√m, and the random numbers are the same.
        assert speeds[None] / speeds[200.0] == pytest.approx(np.sqrt(200 / 63.546), rel=1e-6)

    def test_that_are_impossible_are_refused(self, folder, tmp_path, capsys):
        copper = bulk("Cu", cubic=True, a=3.7)
        copper.set_masses([-1.0] * 4)
        write(tmp_path / "cu.extxyz", copper)
        assert execute(["relax", str(folder), str(tmp_path / "cu.extxyz")]) == 2
        assert "a mass that is not positive" in capsys.readouterr().err
