"""Relaxation with effective medium theory, whose minima are known."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixScaled

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.held import held_directions
from matsciml_util_potential.relaxation import relax


class TestRelaxation:
    @pytest.mark.parametrize("optimiser", ["fire", "lbfgs", "bfgs"])
    def test_finds_the_minimum_of_copper(self, optimiser):
        copper = bulk("Cu", cubic=True, a=3.7)
        copper.rattle(0.1, seed=1)
        copper.calc = EMT()
        result = relax(copper, optimiser=optimiser, cell="full", largest_force=1e-4, steps=400)
        assert result.converged
        assert result.final.largest_force < 1e-4
        assert result.final.energy < result.initial.energy - 0.05
        # The lattice constant of copper in EMT, from the minimum of E(a) in steps of 1e-4 Å.
        assert (copper.get_volume()) ** (1 / 3) == pytest.approx(3.5896, abs=2e-3)
        assert result.final.pressure == pytest.approx(0.0, abs=0.01)

    def test_keeps_shape_where_only_the_volume_changes(self, atoms):
        atoms.calc = EMT()
        lengths = atoms.cell.lengths()
        relax(atoms, cell="volume", largest_force=0.01)
        ratio = atoms.cell.lengths() / lengths
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-8)
        assert abs(ratio[0] - 1) > 1e-3

    def test_keeps_the_volume_where_only_the_shape_changes(self, atoms):
        atoms.calc = EMT()
        volume, lengths = atoms.get_volume(), atoms.cell.lengths()
        result = relax(atoms, cell="shape", optimiser="lbfgs", largest_force=1e-3)
        assert result.converged
        assert atoms.get_volume() == pytest.approx(volume, rel=1e-9)
        assert np.abs(atoms.cell.lengths() / lengths - 1).max() > 1e-3
        stress = atoms.get_stress()
        np.testing.assert_allclose(stress[:3], stress[:3].mean(), atol=2e-4)  # eV/Å³

    def test_reaches_the_pressure_that_is_asked_for(self):
        copper = bulk("Cu", a=3.6)
        copper.calc = EMT()
        result = relax(copper, cell="full", pressure=10.0, largest_force=1e-4)
        assert result.converged
        assert result.final.pressure == pytest.approx(10.0, abs=0.05)

    @pytest.mark.parametrize("mask", [(1, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1)])
    @pytest.mark.parametrize("cell", ["fixed", "full"])
    def test_finds_the_minimum_of_what_fractions_are_held(self, mask, cell):
        # The matrix of a primitive cell of a cubic lattice is its own transpose, and shows less.
        copper = bulk("Cu", "hcp", a=2.6, c=4.2) * (2, 2, 1)
        copper.rattle(0.1, seed=1)
        copper.set_constraint(FixScaled([1, 3], mask))
        copper.calc = EMT()
        before = copper.get_scaled_positions(wrap=False)[[1, 3]]
        result = relax(copper, optimiser="bfgs", cell=cell, largest_force=1e-5, steps=500)
        assert result.converged
        held = np.array(mask, dtype=bool)
        after = copper.get_scaled_positions(wrap=False)[[1, 3]]
        np.testing.assert_allclose(after[:, held], before[:, held], atol=1e-9)
        # At the minimum the energy does not change along the vectors that are free.
        forces = copper.get_forces(apply_constraint=False)
        np.testing.assert_allclose((forces @ copper.cell.array.T)[1][~held], 0, atol=1e-4)
        np.testing.assert_allclose((forces @ copper.cell.array.T)[3][~held], 0, atol=1e-4)
        assert np.abs(np.delete(forces, [1, 3], axis=0)).max() < 1e-5
        assert held_directions(site_properties_of(copper), 8, along_lattice=True)[1].tolist() == (
            [False] * 3 if held.all() else held.tolist()
        )

    def test_says_when_it_is_not_done(self, atoms):
        atoms.calc = EMT()
        result = relax(atoms, steps=1)
        assert not result.converged
        assert result.final.index == 1

    def test_reports_every_step(self, atoms):
        atoms.calc = EMT()
        seen = []
        result = relax(atoms, steps=3, on_step=seen.append)
        assert [step.index for step in seen] == [0, 1, 2, 3]
        assert (seen[0], seen[-1]) == (result.initial, result.final)

    def test_rejects_a_cell_that_is_none(self, atoms):
        atoms.pbc = (True, True, False)
        atoms.calc = EMT()
        with pytest.raises(ConfigError, match="periodic in all directions"):
            relax(atoms, cell="full")
