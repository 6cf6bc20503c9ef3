"""The equation of state: what effective medium theory and ASE's own fit say of copper."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.eos import EquationOfState

from matsciml_core.errors import ConfigError
from matsciml_tool_physics.equation_of_state import equation_of_state, fit


def test_copper_is_what_ase_computes(copper):
    result = equation_of_state(copper, span=0.05, points=9)
    volumes, energies = [], []
    for ratio in np.linspace(0.95, 1.05, 9):
        scaled = bulk("Cu", a=3.6 * ratio ** (1 / 3))
        scaled.calc = EMT()
        volumes.append(scaled.get_volume())
        energies.append(scaled.get_potential_energy())
    theirs = EquationOfState(volumes, energies, eos="birchmurnaghan")
    volume, energy, modulus = theirs.fit(warn=False)
    assert result.fit.volume == pytest.approx(volume, rel=1e-6)
    assert result.fit.energy == pytest.approx(energy, abs=1e-6)
    assert result.fit.bulk_modulus == pytest.approx(modulus / units.GPa, rel=1e-6)
    assert result.fit.derivative == pytest.approx(theirs.eos_parameters[2], rel=1e-5)
    assert result.inside
    assert result.notices == []


def test_the_modulus_is_the_change_of_the_pressure(copper):
    volume = equation_of_state(copper, span=0.03).fit.volume
    pressures = []
    for ratio in (0.999, 1.001):
        scaled = bulk("Cu", a=(4 * volume * ratio) ** (1 / 3))
        scaled.calc = EMT()
        pressures.append(-scaled.get_stress()[:3].mean() / units.GPa)
    modulus = (pressures[0] - pressures[1]) / 0.002
    assert equation_of_state(copper, span=0.03).fit.bulk_modulus == pytest.approx(modulus, rel=5e-3)


def test_a_curve_of_the_equation_gives_back_its_parameters():
    volumes = np.linspace(60, 80, 7)
    made = fit(volumes, [0.01 * (v - 70) ** 2 for v in volumes])
    again = fit(volumes, made.energy_at(volumes))
    for name in ("volume", "energy", "bulk_modulus", "derivative"):
        assert getattr(again, name) == pytest.approx(getattr(made, name), rel=1e-9), name
    assert again.residual < 1e-12 < made.residual


def test_does_not_depend_on_the_number_of_cells(copper):
    large = copper.repeat((1, 2, 2))
    large.calc = EMT()
    one, four = equation_of_state(copper, points=7), equation_of_state(large, points=7)
    assert four.fit.bulk_modulus == pytest.approx(one.fit.bulk_modulus, rel=1e-8)
    assert four.fit.volume == pytest.approx(4 * one.fit.volume, rel=1e-8)


def test_atoms_and_shape_are_relaxed_where_asked_for():
    alloy = bulk("Cu", cubic=True, a=3.8)
    alloy.symbols[0] = "Au"
    alloy.rattle(0.05, seed=1)
    alloy.set_cell(alloy.cell.array * [[1], [1], [1.04]], scale_atoms=True)
    alloy.calc = EMT()
    found = {
        relaxed: equation_of_state(alloy, points=5, relaxed=relaxed, largest_force=0.03)
        for relaxed in ("none", "atoms", "shape")
    }
    energies = {name: result.points[2].energy for name, result in found.items()}
    assert energies["shape"] < energies["atoms"] - 1e-3 < energies["none"] - 2e-3
    for result in found.values():
        volumes = [point.volume for point in result.points]
        np.testing.assert_allclose(volumes, alloy.get_volume() * np.linspace(0.94, 1.06, 5))


def test_a_minimum_outside_of_the_volumes_is_a_warning():
    small = bulk("Cu", a=3.3)
    small.calc = EMT()
    result = equation_of_state(small, span=0.02)
    assert not result.inside
    assert any("lies outside" in text or "no minimum" in text for text in result.notices)


def test_energies_without_a_minimum_have_no_fit():
    volumes = np.linspace(60, 80, 7)
    assert fit(volumes, [-0.01 * (v - 70) ** 2 for v in volumes]) is None


def test_unfinished_relaxations_are_a_warning(copper):
    rattled = copper.repeat((2, 1, 1))
    rattled.rattle(0.1, seed=2)
    rattled.calc = EMT()
    result = equation_of_state(rattled, points=5, steps=1, largest_force=1e-6)
    assert "At 5 of 5 volumes forces were left" in result.notices[-1]


@pytest.mark.parametrize("settings", [{"points": 4}, {"span": 0.0}, {"span": 1.0}])
def test_settings_out_of_range_are_refused(copper, settings):
    with pytest.raises(ConfigError, match="at least 5 volumes"):
        equation_of_state(copper, **settings)


def test_a_slab_is_refused():
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
    slab.calc = EMT()
    with pytest.raises(ConfigError, match="periodic in all three directions"):
        equation_of_state(slab)
