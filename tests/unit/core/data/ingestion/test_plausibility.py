"""Labels that cannot be right are named with their likely cause; right ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.plausibility import Plausibility, range_of
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo

TARGETS = {
    info.name: info
    for info in (
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/Å"),
        TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
        TargetInfo(name="fermi_energy", kind="scalar", unit="eV"),
    )
}
MODULUS, VOLUME = 0.9, 47.0
"""Of copper: bulk modulus, eV/Å³, and volume of its cubic cell, Å³."""


def copper(scale, **labels):
    """Return copper, compressed or expanded, with energy and stress of a harmonic solid."""
    volume = VOLUME * scale**3
    energy = -14.0 + MODULUS * (volume - VOLUME) ** 2 / (2 * VOLUME)
    pressure = -MODULUS * (volume - VOLUME) / VOLUME
    own = {"energy": energy, "forces": np.zeros((4, 3)), "stress": -pressure * np.eye(3)}
    edge = VOLUME ** (1 / 3) * scale
    fractional = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    return Crystal.from_fractional(
        id=f"cu-{scale:.3f}",
        atomic_numbers=[29] * 4,
        fractional=fractional,
        cell=edge * np.eye(3),
        labels={**own, **labels},
    )


def judge(crystals):
    found = Plausibility(TARGETS)
    found.add(CrystalBatch.from_crystals(crystals, TARGETS))
    return " ".join(found.remarks())


SCALES = np.linspace(0.94, 1.02, 9)


def test_what_is_right_is_not_remarked_upon():
    assert judge([copper(scale) for scale in SCALES]) == ""


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(-1.0, "looks like the opposite sign"), (1602.2, "looks like kbar"), (160.2, "like GPa")],
)
def test_stresses(factor, expected):
    wrong = [copper(s, stress=factor * copper(s).labels["stress"]) for s in SCALES]
    assert expected in judge(wrong)


def test_outliers_are_counted_and_named():
    crystals = [copper(s, fermi_energy=17_862.0 if s > 1.01 else 5.0) for s in SCALES]
    assert (
        "fermi_energy: 1 of 9 crystals lie outside -60 to 60 eV, up to 1.786e+04, 'cu-1.020'"
        in judge(crystals)
    )


def test_forces_that_do_not_add_up_and_energies_that_spread():
    crystals = [copper(s, forces=np.full((4, 3), 0.3)) for s in SCALES]
    assert "do not add up to zero" in judge(crystals)
    crystals = [copper(s, energy=-14.0 if s < 1 else -14.0 * 27.2) for s in SCALES]
    assert "differ by more than 20 eV/atom" in judge(crystals)


def test_only_known_quantities_have_a_range():
    assert range_of(TargetInfo(name="mbj_band_gap", kind="scalar", unit="eV")) == (0.0, 25.0)
    assert range_of(TargetInfo(name="band_gap", kind="scalar", unit="Å")) is None
    assert range_of(TargetInfo(name="anything", kind="scalar", unit="eV")) is None
