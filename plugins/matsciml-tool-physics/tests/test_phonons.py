"""Phonons: phonopy used directly, and what must hold of any crystal."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from matsciml_core.errors import ConfigError
from matsciml_tool_physics.phonon_spectrum import phonons

SETTINGS = {"supercell": (3, 3, 3), "relaxed": "none", "mesh": 20.0}


@pytest.fixture(scope="module")
def metal():
    atoms = bulk("Cu", a=3.5896)
    atoms.calc = EMT()
    return phonons(atoms, **SETTINGS)


class TestCopper:
    def test_is_what_phonopy_computes_directly(self, metal):
        result, _ = metal
        theirs = Phonopy(
            PhonopyAtoms(["Cu"], cell=bulk("Cu", a=3.5896).cell.array, scaled_positions=[[0] * 3]),
            np.diag([3, 3, 3]),
        )
        theirs.generate_displacements(distance=0.03)
        forces = []
        for cell in theirs.supercells_with_displacements:
            atoms = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
            atoms.calc = EMT()
            forces.append(atoms.get_forces())
        theirs.forces = np.array(forces)
        theirs.produce_force_constants(show_drift=False)
        theirs.symmetrize_force_constants(show_drift=False)
        for segment, bands in zip(result.path, result.main.bands, strict=True):
            theirs.run_qpoints(segment.q)
            expected = theirs.qpoints.frequencies
            np.testing.assert_allclose(bands, expected, atol=1e-6)

    def test_moves_as_a_whole_at_no_cost(self, metal):
        result, _ = metal
        assert (result.path[0].start, len(result.main.bands[0][0])) == ("G", 3)
        np.testing.assert_allclose(result.main.bands[0][0], 0, atol=1e-3)
        assert result.main.acoustic < 0.05

    def test_goes_along_the_standard_path(self, metal):
        result, _ = metal
        names = [result.path[0].start, *(segment.end for segment in result.path)]
        assert names[:6] == ["G", "X", "W", "K", "G", "L"]
        # X of fcc lies at 1/a along an axis.
        first = result.path[0]
        assert first.distance[-1] - first.distance[0] == pytest.approx(1 / 3.5896, rel=1e-9)

    def test_has_three_states_per_atom_and_the_heat_of_dulong_and_petit(self, metal):
        result, _ = metal
        frequencies, states = result.main.dos
        assert np.trapezoid(states, frequencies) == pytest.approx(3, rel=0.02)
        assert result.main.temperatures[-1] == 1000
        assert result.main.heat_capacity[-1] == pytest.approx(3 * units.kB, rel=0.01)
        # dF/dT = −S
        slope = np.gradient(result.main.free_energy, result.main.temperatures)
        np.testing.assert_allclose(slope[5:-1], -result.main.entropy[5:-1], rtol=0.01)

    def test_follows_small_displacements(self, metal):
        result, _ = metal
        assert [one.displacement for one in result.spectra] == [0.01, 0.03]
        assert 0 < result.differences[0] < 0.05
        assert result.differences[1] == 0
        assert result.notices == []

    def test_can_be_taken_on_to_phonopy(self, metal, tmp_path):
        import phonopy

        result, objects = metal
        objects[-1].save(tmp_path / "phonopy.yaml", settings={"force_constants": True})
        again = phonopy.load(tmp_path / "phonopy.yaml", log_level=0)
        q = result.path[0].q[-1]
        again.run_qpoints([q])
        np.testing.assert_allclose(
            again.qpoints.frequencies[0], result.main.bands[0][-1], atol=1e-6
        )


def test_does_not_depend_on_cell_and_hand():
    """One atom, four in a cube, and a cell of a left hand are the same crystal."""
    found = []
    for cell in ("primitive", "cubic", "left"):
        atoms = bulk("Cu", a=3.5896, cubic=cell == "cubic")
        if cell == "left":
            atoms.set_cell(atoms.cell.array[[1, 0, 2]], scale_atoms=False)
        atoms.calc = EMT()
        size = (2, 2, 2) if cell == "cubic" else (4, 4, 4)
        settings = SETTINGS | {"supercell": size, "displacements": [0.02]}
        result, _ = phonons(atoms, **settings)
        assert result.num_atoms == 1
        found.append(result.main.bands[0][-1])
    # Supercells of other shapes cut off other interactions.
    np.testing.assert_allclose(found[1], found[0], atol=0.1)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


def test_imaginary_modes_are_named():
    atoms = bulk("Cu", "bcc", a=2.87)
    atoms.calc = EMT()
    result, _ = phonons(atoms, **SETTINGS)
    assert result.imaginary
    assert all(mode.frequency < 0 for mode in result.imaginary)
    (notice,) = [text for text in result.notices if "imaginary" in text]
    assert f" at {result.imaginary[0].point}" in notice


class Kinked(EMT):
    """Forces that forget displacements below 0.02 Å."""

    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        if np.abs(self.results["forces"]).max() < 0.1:
            self.results["forces"] = 0.5 * self.results["forces"]


def test_forces_that_do_not_follow_small_displacements_are_reported():
    atoms = bulk("Cu", a=3.5896)
    atoms.calc = Kinked()
    result, _ = phonons(atoms, **SETTINGS)
    assert result.differences[0] > 0.5
    assert "give frequencies that differ by up to" in result.notices[0]


def test_supercells_are_as_long_as_asked_for():
    atoms = bulk("Cu", a=3.5896, cubic=True)
    atoms.calc = EMT()
    settings = SETTINGS | {"supercell": None, "length": 7.5, "displacements": [0.03]}
    result, _ = phonons(atoms, **settings)
    assert (result.supercell, result.supercell_atoms) == ((3, 3, 3), 108)


def test_masses_of_the_file_count(metal):
    atoms = bulk("Cu", a=3.5896)
    atoms.set_masses([4 * 63.546])
    atoms.calc = EMT()
    result, _ = phonons(atoms, **SETTINGS)
    np.testing.assert_allclose(result.main.bands[0][-1], metal[0].main.bands[0][-1] / 2, rtol=1e-4)


def test_isotopes_of_one_element_stay_apart():
    atoms = bulk("Cu", a=3.5896, cubic=True)
    masses = np.array([63.0, 63.0, 10.0, 10.0])
    atoms.set_masses(masses)
    atoms.calc = EMT()
    settings = {"supercell": (2, 2, 2), "relaxed": "none", "mesh": 12.0, "displacements": [0.01]}
    result, (theirs,) = phonons(atoms, **settings)
    assert result.num_atoms == 4
    np.testing.assert_allclose(np.sort(theirs.primitive.masses), np.sort(masses))
    plain = atoms.copy()
    plain.set_masses([63.0] * 4)
    plain.calc = EMT()
    natural, (equal,) = phonons(plain, **settings)
    assert natural.num_atoms == 1
    # The mean squared frequency is that of each atom on its own spring, k/m.
    share = _mean_square(theirs) / _mean_square(equal)
    assert share == pytest.approx((63 / masses).mean(), rel=1e-3)
    # Masses in layers make the third direction another one, which all q points show.
    theirs.run_mesh(12.0, is_mesh_symmetry=False)
    theirs.run_thermal_properties(
        temperatures=result.main.temperatures, exclude_gamma_acoustic=True
    )
    expected = theirs.thermal_properties.free_energy * units.kJ / units.mol / 4
    np.testing.assert_allclose(result.main.free_energy, expected, rtol=1e-9)


def _mean_square(phonon):
    mesh = phonon.mesh
    return np.average((mesh.frequencies**2).mean(axis=1), weights=mesh.weights)


class TestRefusals:
    def test_a_slab(self):
        slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
        slab.calc = EMT()
        with pytest.raises(ConfigError, match="periodic in all three directions"):
            phonons(slab)

    def test_held_atoms(self, copper):
        copper.set_constraint(FixAtoms([0]))
        with pytest.raises(ConfigError, match="holds some in place"):
            phonons(copper)

    @pytest.mark.parametrize("lengths", [[], [0.0], [2.0]])
    def test_displacements_out_of_range(self, copper, lengths):
        with pytest.raises(ConfigError, match="between 0 and 1 Å"):
            phonons(copper, displacements=lengths)
