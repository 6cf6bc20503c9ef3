"""A pretrained potential: its energies, stresses and forces tell of one crystal."""

from __future__ import annotations

import pytest
from ase.build import bulk

from matsciml_core import build_registry, load
from matsciml_tool_physics.elasticity import elastic_constants
from matsciml_tool_physics.equation_of_state import equation_of_state
from matsciml_tool_physics.phonon_spectrum import phonons
from matsciml_util_potential.calculator import ModelCalculator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def magnesia():
    if "chgnet" not in {spec.name for spec in build_registry().specs("pretrained")}:
        pytest.skip("chgnet is not installed: pip install matsciml-model-chgnet")
    atoms = bulk("MgO", "rocksalt", a=4.25)
    atoms.calc = ModelCalculator(load("chgnet", device="cpu", precision="float64"))
    return atoms


def test_energies_and_stresses_have_one_bulk_modulus(magnesia):
    curve = equation_of_state(magnesia)
    constants = elastic_constants(magnesia)
    assert curve.inside
    assert curve.fit.volume == pytest.approx(constants.volume, rel=0.01)
    assert curve.fit.bulk_modulus == pytest.approx(constants.moduli.bulk_hill, rel=0.05)
    # Constants of the published package with strains from 1e-4 to 1e-2: 207 to 215 GPa.
    assert 207 < constants.symmetrised[0, 0] < 216
    assert constants.stable


def test_forces_that_do_not_follow_small_displacements_are_reported(magnesia):
    """In rock salt bonds lie at 180°, where CHGNet's angles have a kink."""
    cubic = bulk("MgO", "rocksalt", a=4.25, cubic=True)
    cubic.calc = magnesia.calc
    result, _ = phonons(cubic, supercell=(2, 2, 2), mesh=10.0)
    small, large = (spectrum.bands[0][0][-1] for spectrum in result.spectra)
    assert small < large - 0.5  # THz, optic modes at Γ
    assert "give frequencies that differ" in result.notices[0]
