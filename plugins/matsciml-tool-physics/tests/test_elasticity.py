"""Elastic constants: effective medium theory computed directly, symmetry, and moduli."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from scipy.spatial.transform import Rotation

from matsciml_core.errors import ConfigError
from matsciml_tool_physics.elasticity import elastic_constants, rotate_mean
from matsciml_tool_physics.equation_of_state import equation_of_state
from matsciml_tool_physics.moduli import average


def stress_of(a, strain):
    atoms = bulk("Cu", cubic=True, a=a)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = EMT()
    return atoms.get_stress() / units.GPa


@pytest.fixture(scope="module")
def cubic():
    atoms = bulk("Cu", cubic=True, a=3.6)
    atoms.calc = EMT()
    return elastic_constants(atoms)


class TestCopper:
    def test_is_what_ase_computes_directly(self, cubic):
        a, e = cubic.volume ** (1 / 3), 0.005
        expected = {}
        strain = np.diag([e, 0, 0])
        slope = (stress_of(a, strain) - stress_of(a, -strain)) / (2 * e)
        expected["11"], expected["12"] = slope[0], slope[1]
        strain = np.zeros((3, 3))
        strain[1, 2] = strain[2, 1] = e / 2
        expected["44"] = (stress_of(a, strain) - stress_of(a, -strain))[3] / (2 * e)
        for name, value in expected.items():
            i, j = (int(digit) - 1 for digit in name)
            assert cubic.from_stresses[i, j] == pytest.approx(value, rel=1e-6), name
            assert cubic.symmetrised[i, j] == pytest.approx(value, rel=1e-6), name

    def test_is_cubic(self, cubic):
        assert cubic.space_group == 225
        expected = np.zeros((6, 6))
        expected[:3, :3] = cubic.symmetrised[0, 1]
        np.fill_diagonal(expected, [cubic.symmetrised[0, 0]] * 3 + [cubic.symmetrised[3, 3]] * 3)
        np.testing.assert_allclose(cubic.symmetrised, expected, atol=1e-9)
        assert cubic.symmetry_error < 1e-4
        assert cubic.asymmetry < 1e-2
        assert cubic.stable
        assert cubic.notices == []

    def test_energies_say_the_same(self, cubic):
        assert cubic.difference < 2e-3 * cubic.from_stresses[0, 0]

    def test_both_ways_meet_as_strains_shrink(self, cubic):
        atoms = bulk("Cu", a=3.6)
        atoms.calc = EMT()
        small = elastic_constants(atoms, strain=0.001)
        # Errors of central differences fall with the square of the strain.
        assert small.difference < cubic.difference / 10

    def test_the_bulk_modulus_is_that_of_the_equation_of_state(self, cubic, copper):
        modulus = equation_of_state(copper, span=0.02).fit.bulk_modulus
        for name in ("bulk_voigt", "bulk_reuss", "bulk_hill"):
            assert getattr(cubic.moduli, name) == pytest.approx(modulus, rel=5e-3)

    def test_turned_it_has_the_same_moduli(self, cubic):
        turn = Rotation.from_euler("xyz", [20, 35, 50], degrees=True).as_matrix()
        atoms = bulk("Cu", a=3.6)
        atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
        atoms.calc = EMT()
        turned = elastic_constants(atoms)
        assert turned.symmetry_error < 0.05
        assert turned.moduli.shear_hill == pytest.approx(cubic.moduli.shear_hill, rel=1e-3)
        back = rotate_mean(turned.symmetrised, [turn.T])
        np.testing.assert_allclose(back, cubic.symmetrised, atol=0.2)


def test_relaxed_ions_are_softer_than_clamped_ones():
    """In a cell of two kinds of atoms, off centres of symmetry, atoms give way to a strain."""
    alloy = bulk("Cu", cubic=True, a=3.8) * (1, 1, 2)
    alloy.symbols[[0, 5]] = "Au"
    alloy.calc = EMT()
    found = {
        relaxed: elastic_constants(alloy, relaxed_ions=relaxed, largest_force=1e-3)
        for relaxed in (True, False)
    }
    assert found[True].difference < 0.3
    gain = np.linalg.eigvalsh(found[False].from_stresses - found[True].from_stresses)
    assert gain.min() > -0.1
    assert gain.max() > 0.5


class TestNotices:
    def test_of_a_crystal_under_load(self):
        atoms = bulk("Cu", a=3.5)
        atoms.calc = EMT()
        result = elastic_constants(atoms, relaxed="none")
        assert any("has a stress of up to" in text for text in result.notices)

    def test_of_an_unstable_crystal(self):
        atoms = bulk("Cu", "bcc", a=2.87)  # copper under EMT slides towards fcc
        atoms.calc = EMT()
        result = elastic_constants(atoms)
        assert not result.stable
        assert np.isnan(result.moduli.bulk_hill)
        assert any("elastically unstable" in text for text in result.notices)


class TestMean:
    def test_over_the_cubic_group_is_cubic(self):
        random = np.random.default_rng(1).normal(size=(6, 6))
        group = [turn.as_matrix() for turn in Rotation.create_group("O")]
        mean = rotate_mean(random + random.T, group)
        np.testing.assert_allclose(mean[3:, :3], 0, atol=1e-12)
        assert np.ptp(np.diag(mean)[:3]) < 1e-12
        np.testing.assert_allclose(rotate_mean(mean, group), mean, atol=1e-12)

    def test_moduli_are_those_of_pymatgen(self, cubic):
        from pymatgen.analysis.elasticity import ElasticTensor

        hexagonal = np.diag([160.0, 160, 180, 46, 46, 35])
        hexagonal[0, 1] = hexagonal[1, 0] = 90
        hexagonal[:2, 2] = hexagonal[2, :2] = 66
        for matrix in (hexagonal, cubic.symmetrised):
            theirs, ours = ElasticTensor.from_voigt(matrix), average(matrix)
            assert ours.bulk_voigt == pytest.approx(theirs.k_voigt)
            assert ours.bulk_reuss == pytest.approx(theirs.k_reuss)
            assert ours.shear_voigt == pytest.approx(theirs.g_voigt)
            assert ours.shear_reuss == pytest.approx(theirs.g_reuss)
            assert ours.young == pytest.approx(theirs.y_mod / 1e9)
            assert ours.poisson == pytest.approx(theirs.homogeneous_poisson)
            assert ours.anisotropy == pytest.approx(theirs.universal_anisotropy, abs=1e-9)


class TestRefusals:
    def test_a_slab(self):
        slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
        slab.calc = EMT()
        with pytest.raises(ConfigError, match="periodic in all three directions"):
            elastic_constants(slab)

    def test_held_atoms(self, copper):
        copper.set_constraint(FixAtoms([0]))
        with pytest.raises(ConfigError, match="holds some in place"):
            elastic_constants(copper)

    def test_a_calculator_without_stress(self, copper):
        copper.calc.implemented_properties = ["energy", "forces"]
        with pytest.raises(ConfigError, match="need stresses, which EMT does not compute"):
            elastic_constants(copper)

    def test_a_strain_out_of_range(self, copper):
        with pytest.raises(ConfigError, match=r"not between 0 and 0\.1"):
            elastic_constants(copper, strain=0.5)
