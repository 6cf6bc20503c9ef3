"""Vacancies: what effective medium theory says of them, computed directly with ASE."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal

from matsciml_core.errors import ConfigError, DataError
from matsciml_tool_physics.references import chemical_potentials
from matsciml_tool_physics.vacancies import vacancies


@pytest.fixture
def alloy():
    """Cu3Au, whose three copper atoms are alike."""
    atoms = bulk("Cu", cubic=True, a=3.75)
    atoms.symbols[0] = "Au"
    atoms.calc = EMT()
    return atoms


def test_copper_is_what_ase_computes(copper):
    direct = bulk("Cu", a=3.6)
    direct.calc = EMT()
    BFGS(FrechetCellFilter(direct), logfile=None).run(fmax=1e-6)
    energy = direct.get_potential_energy()
    supercell = direct.repeat(3)
    del supercell[5]  # another of the equivalent sites
    supercell.calc = EMT()
    unrelaxed = supercell.get_potential_energy() - 26 * energy
    BFGS(supercell, logfile=None).run(fmax=1e-4)
    expected = supercell.get_potential_energy() - 26 * energy

    result = vacancies(copper, supercells=[(3, 3, 3)], largest_force=1e-4)
    (found,) = result.vacancies
    assert found.energies == [pytest.approx(expected, abs=1e-6)]
    (one,) = found.supercells
    assert one.unrelaxed + found.potential == pytest.approx(unrelaxed, abs=1e-6)
    assert result.gain < 1e-6


def test_larger_supercells_converge_to_the_measured_order(copper):
    result = vacancies(copper, supercells=[(5, 5, 5), (3, 3, 3), (4, 4, 4)], largest_force=1e-3)
    (found,) = result.vacancies
    assert [one.num_atoms for one in found.supercells] == [27, 64, 125]
    energies = found.energies
    assert energies[0] > energies[1] > energies[2]  # more room to relax
    # Measured for copper: 1.28 ± 0.05 eV (P. Ehrhart, Landolt-Börnstein III/25, 1991).
    assert found.infinite == pytest.approx(1.28, abs=0.1)
    assert abs(found.infinite - energies[2]) < abs(energies[2] - energies[1]) * 1.5
    assert result.notices == []


def test_sites_are_one_of_each_kind(alloy):
    potentials = {"Cu": -0.01, "Au": 0.02}
    result = vacancies(alloy, supercells=[(2, 2, 2)], potentials=potentials, relaxed="full")
    assert [(one.element, one.multiplicity) for one in result.vacancies] == [("Au", 1), ("Cu", 3)]
    for found in result.vacancies:
        (one,) = found.supercells
        assert len(one.atoms) == 31
        assert one.difference < one.unrelaxed
        assert found.energies[0] == pytest.approx(one.difference + potentials[found.element])
    only = vacancies(alloy, supercells=[(2, 2, 2)], elements=["Cu"])
    assert [one.element for one in only.vacancies] == ["Cu"]
    assert only.vacancies[0].energies is None
    assert "chemical potential of Cu" in " ".join(only.notices)


def test_what_all_atoms_need_together_is_the_energy_of_the_crystal(alloy):
    """Without relaxing, the differences of a dilute gas of vacancies do not depend on its cell."""
    small, large = (
        vacancies(alloy, supercells=[(n, n, n)], relaxed="none", rattle=0, steps=1) for n in (3, 4)
    )
    for one, other in zip(small.vacancies, large.vacancies, strict=True):
        # The potential ends before 6 Å, so that images three cells away do not meet.
        assert one.supercells[0].unrelaxed == pytest.approx(other.supercells[0].unrelaxed, abs=1e-6)


def test_a_crystal_that_is_no_minimum_is_told():
    """A square lattice of stacked layers falls into a denser one as soon as it is displaced."""
    simple = crystal("Cu", [(0, 0, 0)], spacegroup=221, cellpar=[2.4, 2.4, 2.4, 90, 90, 90])
    simple.calc = EMT()
    result = vacancies(
        simple, supercells=[(3, 3, 3)], relaxed="none", rattle=0.05, largest_force=0.05, steps=200
    )
    assert result.gain > 0.1
    assert "no minimum of the model" in " ".join(result.notices)


def test_one_supercell_and_unfinished_relaxations_are_told(copper):
    result = vacancies(copper, supercells=[(2, 2, 2)], steps=1, largest_force=1e-6)
    text = " ".join(result.notices)
    assert "With one supercell" in text
    assert "In 1 supercells forces were left" in text


def test_default_supercells_are_high_enough(copper):
    sizes = [one.cells for one in vacancies(copper, steps=1).vacancies[0].supercells]
    heights = 1 / np.linalg.norm(copper.cell.reciprocal(), axis=1)
    for cells, length in zip(sizes, (6, 9, 12), strict=True):
        assert (heights * cells > length - 0.1).all()  # of the relaxed crystal, which is smaller


class TestReferences:
    def test_a_crystal_is_relaxed_with_its_cell(self, copper):
        found = chemical_potentials({"cu": bulk_of("Cu", 3.8)}, largest_force=1e-4, steps=300)
        result = vacancies(copper, supercells=[(2, 2, 2)], largest_force=1e-4)
        assert found["Cu"] == pytest.approx(result.vacancies[0].potential, abs=1e-6)

    def test_two_of_an_element_or_a_compound_are_rejected(self, alloy):
        with pytest.raises(ConfigError, match="several elements"):
            chemical_potentials({"a": alloy}, largest_force=0.1, steps=10)
        twice = {"a": bulk_of("Cu", 3.6), "b": bulk_of("Cu", 3.7)}
        with pytest.raises(ConfigError, match="second --reference of Cu"):
            chemical_potentials(twice, largest_force=0.1, steps=100)

    def test_one_that_does_not_relax_is_rejected(self):
        with pytest.raises(DataError, match="did not relax within 1 steps"):
            chemical_potentials({"a": bulk_of("Cu", 4.2)}, largest_force=1e-6, steps=1)


def bulk_of(symbol, length):
    atoms = bulk(symbol, a=length)
    atoms.calc = EMT()
    return atoms


def test_what_has_no_vacancy_is_rejected(copper):
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
    slab.calc = EMT()
    with pytest.raises(ConfigError, match="periodic in all three directions"):
        vacancies(slab)
    with pytest.raises(ConfigError, match="The crystal has no Au"):
        vacancies(copper, elements=["Au"])
    with pytest.raises(ConfigError, match="The crystal has no Au"):
        vacancies(copper, potentials={"Au": 0.0})
    with pytest.raises(ConfigError, match="one atom has nothing left"):
        vacancies(copper, supercells=[(1, 1, 1)])
    copper.set_constraint(FixAtoms([0]))
    with pytest.raises(ConfigError, match="free to move"):
        vacancies(copper)
