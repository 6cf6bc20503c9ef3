"""Units of labels: canonical spellings, and nothing that would need a conversion."""

from __future__ import annotations

import pytest

from matsciml_core.errors import UnitError
from matsciml_core.registry.units import _ALIASES, UNITS, canonical_unit


@pytest.mark.parametrize("unit", UNITS)
def test_canonical_units_stay(unit: str) -> None:
    assert canonical_unit(unit, label="x") == unit


def test_aliases_lead_to_canonical_units() -> None:
    assert set(_ALIASES.values()) <= set(UNITS)
    assert all(alias == alias.lower() for alias in _ALIASES)


@pytest.mark.parametrize(
    ("written", "unit"),
    [("EV/ATOM", "eV/atom"), (" eV/A^3 ", "eV/Å³"), ("", "dimensionless"), ("1/cm", "cm⁻¹")],
)
def test_aliases(written: str, unit: str) -> None:
    assert canonical_unit(written, label="x") == unit


@pytest.mark.parametrize("unit", ["kcal/mol", "meV", "Ha", "eV/"])
def test_foreign_units_are_never_converted(unit: str) -> None:
    with pytest.raises(UnitError, match="Convert the label"):
        canonical_unit(unit, label="x")


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("e·Å", "e·Å"),
        ("e*A", "e·Å"),
        ("1/eV", "1/eV"),
        ("eV/A^2", "eV/Å²"),
        ("muB/A^3", "μB/Å³"),
        ("K^-1", "K⁻¹"),
    ],
)
def test_products_of_factors(written: str, unit: str) -> None:
    assert canonical_unit(written, label="x") == unit
    assert canonical_unit(unit, label="x") == unit


@pytest.mark.parametrize("unit", ["eV/meV", "states/eV", "A/m", "/eV", "e·", "²", "eV//Å"])
def test_other_products_are_rejected(unit: str) -> None:
    with pytest.raises(UnitError, match="nor a product of"):
        canonical_unit(unit, label="x")
