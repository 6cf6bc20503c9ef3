"""Barriers of effective medium theory, whose saddle points symmetry gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import add_adsorbate, bulk, fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from matsciml_core.errors import ConfigError
from matsciml_tool_physics.transition import barrier
from matsciml_util_potential.relaxation import relax

NEIGHBOUR = 4.05 / np.sqrt(2)
SETTINGS = {"images": 3, "largest_force": 0.02}


def adatom(shift=0.0):
    """Return an aluminium atom in a hollow of a surface, or part of the way to the next one."""
    slab = fcc100("Al", (2, 2, 2), vacuum=6.0, a=4.05)
    add_adsorbate(slab, "Al", 1.7, "hollow")
    slab.positions[-1, 0] += shift * NEIGHBOUR
    slab.set_constraint(FixAtoms(indices=range(4)))
    slab.pbc = (True, True, False)
    slab.calc = EMT()
    return slab


@pytest.fixture(scope="module")
def hop():
    return barrier(adatom(), adatom(1.0), **SETTINGS)


@pytest.fixture(scope="module")
def exact():
    """Return the barrier from the structure in the middle, which a mirror keeps on the ridge."""
    energies = []
    for shift in (0.0, 0.5):
        atoms = adatom(shift)
        relax(atoms, optimiser="lbfgs", largest_force=0.005)
        energies.append(atoms.get_potential_energy())
    return energies[1] - energies[0]


class TestHop:
    def test_has_the_barrier_of_the_bridge(self, hop, exact):
        assert hop.converged
        assert exact > 0.1
        assert hop.forward == pytest.approx(exact, abs=2e-3)
        assert hop.backward == pytest.approx(hop.forward, abs=1e-3)
        assert hop.notices == []

    def test_has_its_saddle_in_the_middle(self, hop):
        assert hop.saddle == 2
        middle = hop.images[2].positions[-1, 0] - hop.images[0].positions[-1, 0]
        assert middle == pytest.approx(NEIGHBOUR / 2, abs=0.05)
        assert hop.largest_shift == pytest.approx(NEIGHBOUR, abs=0.05)

    def test_keeps_what_is_held(self, hop):
        for image in hop.images:
            np.testing.assert_array_equal(image.positions[:4], adatom().positions[:4])

    def test_is_the_same_for_other_rows_and_images(self, exact):
        final = adatom(1.0)
        final = final[[0, 1, 2, 3, 5, 4, 8, 7, 6]]
        final.positions[[5, 6]] += final.cell.array[0]
        found = barrier(adatom(), final, **SETTINGS)
        assert found.reordered == 4
        assert found.forward == pytest.approx(exact, abs=2e-3)
        assert found.largest_shift < NEIGHBOUR + 0.05

    def test_leaves_its_input_alone(self):
        initial, final = adatom(), adatom(1.0)
        before = initial.positions.copy()
        barrier(initial, final, images=1, steps=2)
        np.testing.assert_array_equal(initial.positions, before)

    def test_says_when_it_is_not_done(self):
        found = barrier(adatom(), adatom(1.0), images=1, steps=1, largest_force=1e-4)
        assert not found.converged
        assert len(found.notices) >= 2


def test_a_path_over_a_minimum_is_reported(hop):
    twice = replace(hop, energies=np.array([0.0, 0.3, 0.0, 0.3, 0.0]))
    assert "passes a minimum at image 2" in twice.notices[-1]


def test_a_slope_has_no_barrier(hop):
    slope = replace(hop, energies=np.linspace(0, 1, 5))
    assert "No image lies above both ends" in slope.notices[-1]


class TestRefusals:
    def test_other_atoms(self):
        with pytest.raises(ConfigError, match="these are Cu and Cu2"):
            barrier(bulk("Cu"), bulk("Cu").repeat((2, 1, 1)))

    def test_other_cells(self):
        with pytest.raises(ConfigError, match="cells of both structures differ"):
            barrier(bulk("Cu", a=3.6), bulk("Cu", a=3.7))

    def test_the_same_structure_twice(self):
        with pytest.raises(ConfigError, match="Both structures are the same"):
            barrier(adatom(), adatom())

    def test_held_atoms_that_lie_elsewhere(self):
        final = adatom(1.0)
        final.set_constraint()
        final.positions[0] += 0.5
        with pytest.raises(ConfigError, match="holds in place lie elsewhere"):
            barrier(adatom(), final)

    def test_rows_of_other_elements(self):
        initial = bulk("NiAl", "cesiumchloride", a=2.9)
        final = initial[[1, 0]]
        with pytest.raises(ConfigError, match="not of the same elements"):
            barrier(initial, final, match=False)
