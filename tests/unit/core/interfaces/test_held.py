"""Marks of atoms that are held, and that every way of saying so ends in the same marks."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.convert import from_ase, from_pymatgen, to_ase, to_pymatgen
from matsciml_core.data.readers import read
from matsciml_core.errors import GeometryError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import held_directions, held_otherwise, held_properties

FREE = np.array([[False, False, False], [True, True, True], [True, True, False]])
"""Whether an atom may move along each direction: one held, one free, one held along the third."""
CELL = np.array([[3.0, 0.0, 0.0], [1.5, 2.6, 0.0], [0.4, 0.3, 9.0]])


def crystal(**site_properties):
    return Crystal(
        id="slab",
        atomic_numbers=[29, 29, 8],
        positions=[[0.1, 0.2, 1.0], [1.5, 1.0, 3.0], [0.5, 0.5, 5.0]],
        cell=CELL,
        site_properties=site_properties,
    )


def plain(site_properties):
    return {name: values.tolist() for name, values in site_properties.items()}


class TestMarks:
    def test_say_what_was_held(self):
        for along_lattice, bit in ((False, 4), (True, 32)):
            marks = held_properties(~FREE, along_lattice=along_lattice)
            assert plain(marks) == {"fixed": [1, 0, 0], "held_axes": [0, 0, bit]}
            held = held_directions(marks, 3, along_lattice=along_lattice)
            assert held.tolist() == [[False] * 3, [False] * 3, [False, False, True]]
            assert not held_directions(marks, 3, along_lattice=not along_lattice).any()

    def test_of_whole_atoms_need_no_axes(self):
        assert plain(held_properties([True, False])) == {"fixed": [1, 0]}
        assert not held_otherwise({})


class TestEveryWayToSaySo:
    @pytest.mark.parametrize("along_lattice", [False, True])
    def test_survives_ase(self, along_lattice):
        marks = held_properties(~FREE, along_lattice=along_lattice)
        atoms = to_ase(crystal(**marks))
        moved = atoms.positions + 0.3
        atoms.set_positions(moved)
        shift = atoms.positions - crystal().positions
        np.testing.assert_allclose(shift[0], 0, atol=1e-12)
        np.testing.assert_allclose(shift[1], 0.3, atol=1e-12)
        along = shift[2] @ np.linalg.inv(CELL) if along_lattice else shift[2]
        assert along[2] == pytest.approx(0, abs=1e-12)
        assert abs(along[:2]).min() > 0.01
        assert plain(from_ase(atoms).site_properties) == plain(marks)

    def test_survives_pymatgen(self):
        marks = held_properties(~FREE, along_lattice=True)
        structure = to_pymatgen(crystal(**marks))
        assert np.array_equal(structure.site_properties["selective_dynamics"], FREE)
        assert plain(from_pymatgen(structure).site_properties) == plain(marks)

    def test_pymatgen_refuses_axes_that_it_cannot_name(self):
        with pytest.raises(GeometryError, match="held along x, y or z"):
            to_pymatgen(crystal(**held_properties(~FREE)))

    @pytest.mark.parametrize(("direction", "kind"), [([0, 0, 1], 4), ([1, 1, 0], 64)])
    def test_a_plane_is_an_axis_or_something_else(self, direction, kind):
        from ase.constraints import FixedPlane

        atoms = to_ase(crystal())
        atoms.set_constraint(FixedPlane([2], direction))
        assert plain(from_ase(atoms).site_properties)["held_axes"] == [0, 0, kind]

    def test_extended_xyz_has_one_flag_or_three(self, tmp_path):
        from ase.io import write

        for marks in (held_properties(~FREE), held_properties([True, False, False])):
            write(tmp_path / "slab.extxyz", to_ase(crystal(**marks)))
            (frame,) = read(tmp_path / "slab.extxyz")
            assert plain(frame.site_properties) == plain(marks)


class TestMasses:
    def test_survive_ase(self):
        atoms = to_ase(crystal())
        atoms.set_masses([200.0, 63.5, 18.0])
        back = to_ase(from_ase(atoms))
        assert back.get_masses().tolist() == [200.0, 63.5, 18.0]

    def test_are_the_elements_where_none_is_known(self):
        from dataclasses import replace

        heavy = replace(crystal(), labels={"masses": np.array([np.nan, 200.0, np.nan])})
        atoms = to_ase(heavy)
        usual = to_ase(crystal()).get_masses()
        assert atoms.get_masses().tolist() == [usual[0], 200.0, usual[2]]
