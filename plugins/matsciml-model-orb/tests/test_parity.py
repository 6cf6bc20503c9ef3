"""Converted networks against the numbers of orb-models 0.5.5, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from matsciml_cli.app import execute
from matsciml_core import load

pytest.importorskip("matsciml_head_forces", reason="a converted network has a head of this plugin")


def converted(file, *options, precision="float64"):
    """Convert a file by the command, and return the model."""
    folder = file.with_suffix("")
    assert execute(["convert-orb", str(file), "-o", str(folder), "--replace", *options]) == 0
    return load(folder, device="cpu", precision=precision)


@pytest.mark.parametrize(
    "name",
    [
        "cubic",
        "hexagonal",
        "tetragonal",
        "orthorhombic",
        "triclinic, one atom",
        "within covalent radii",
        "left-handed",
        "outside its cell",
        "molecule",
    ],
)
def test_the_same_numbers(write_file, reference, structures, name):
    expected = reference["120"][name]
    atoms = structures[name]
    for precision, tolerance in (("float64", 1e-6), ("float32", 1e-4)):
        (found,) = converted(write_file(), precision=precision).predict(atoms)
        energy = expected["energy"] / len(atoms)
        assert found["energy"] / len(atoms) == pytest.approx(energy, abs=tolerance / 10)
        assert found["forces"] == pytest.approx(np.array(expected["forces"]), abs=tolerance)
        if atoms.pbc.all():
            assert found["stress"] == pytest.approx(np.array(expected["stress"]), abs=tolerance)
        else:
            assert np.isnan(found["stress"]).all()


@pytest.mark.parametrize("name", ["cubic", "orthorhombic", "left-handed", "molecule"])
def test_the_same_numbers_with_twenty_neighbours(write_file, reference, structures, name):
    # Where no shell of equal lengths is cut: the package takes any part of one.
    expected = reference["20"][name]
    atoms = structures[name]
    (found,) = converted(write_file("orb-v3-conservative-20-small.ckpt")).predict(atoms)
    assert found["energy"] == pytest.approx(expected["energy"], abs=1e-6)
    assert found["forces"] == pytest.approx(np.array(expected["forces"]), abs=1e-6)


def test_forces_and_stress_are_derivatives_of_the_energy(write_file, structures):
    model = converted(write_file())
    atoms = structures["orthorhombic"]
    (found,) = model.predict(atoms)
    step = 1e-4

    def energy(changed):
        return model.predict(changed)[0]["energy"]

    moved = [atoms.copy(), atoms.copy()]
    for one, sign in zip(moved, (1, -1), strict=True):
        one.positions[1, 2] += sign * step
    slope = (energy(moved[0]) - energy(moved[1])) / (2 * step)
    assert found["forces"][1][2] == pytest.approx(-slope, abs=1e-5)
    strained = [atoms.copy(), atoms.copy()]
    for one, sign in zip(strained, (1, -1), strict=True):
        one.set_cell(one.cell * (1 + sign * step), scale_atoms=True)
    slope = (energy(strained[0]) - energy(strained[1])) / (2 * step)
    trace = np.trace(np.asarray(found["stress"])) * atoms.get_volume()
    assert trace == pytest.approx(slope, abs=1e-4)


def test_energies_turn_with_the_crystal_as_the_registry_says(write_file, structures):
    model = converted(write_file())
    atoms = structures["orthorhombic"]
    turned = atoms.copy()
    turned.rotate(30, "z", rotate_cell=True)
    energies = [found["energy"] for found in model.predict([atoms, turned])]
    assert abs(energies[0] - energies[1]) > 1e-3  # weights that nobody trained


def test_energies_per_atom_depend_on_the_cell_only_where_nuclei_repel(write_file, structures):
    model = converted(write_file())
    for atoms, differs in (
        (bulk("NaCl", "rocksalt", a=5.6), False),
        (structures["within covalent radii"], True),
    ):
        double = make_supercell(atoms, np.diag([2, 1, 1]))
        one, two = (found["energy"] for found in model.predict([atoms, double]))
        assert (abs(two / 2 - one) > 1e-6) == differs


def test_what_is_said_of_the_weights_is_recorded(write_file):
    options = ("--functional", "PBE", "--licence", "Apache-2.0", "--seen", "mp")
    record = converted(write_file(), *options).description["pretrained"]
    assert (record["functional"], record["licence"], record["seen"]) == (
        "PBE",
        "Apache-2.0",
        ["mp"],
    )
    assert not record["isolated_atoms"]
    assert "Mg" in record["elements"]
    assert len(record["elements"]) == 89
    assert "Ra" not in record["elements"]
