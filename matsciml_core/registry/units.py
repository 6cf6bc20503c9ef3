"""The units a label may have. Torch-free, so that specs can be checked at registration."""

from __future__ import annotations

from matsciml_core.errors import UnitError, did_you_mean

UNITS: dict[str, str] = {
    "eV": "energy of the whole cell",
    "eV/atom": "energy per atom",
    "eV/Å": "force component",
    "eV/Å³": "stress component, ASE's sign: positive under tension",
    "Å": "length",
    "Å³": "volume",
    "g/cm³": "mass density",
    "GPa": "elastic modulus",
    "log10(GPa)": "decimal logarithm of a modulus in GPa",
    "C/m²": "piezoelectric modulus",
    "cm⁻¹": "wave number",
    "K": "temperature",
    "μB": "magnetic moment",
    "e": "charge",
    "class": "integer class; -1 where missing",
    "dimensionless": "a pure number",
}
"""Canonical unit → what it measures. Labels are stored in these units and no others."""

_ALIASES: dict[str, str] = {
    "ev": "eV",
    "ev/atom": "eV/atom",
    "ev/cell": "eV",
    "ev/a": "eV/Å",
    "ev/ang": "eV/Å",
    "ev/angstrom": "eV/Å",
    "ev/å": "eV/Å",
    "ev/a^3": "eV/Å³",
    "ev/a3": "eV/Å³",
    "ev/å^3": "eV/Å³",
    "ev/å³": "eV/Å³",
    "ev/angstrom^3": "eV/Å³",
    "a": "Å",
    "ang": "Å",
    "angstrom": "Å",
    "a^3": "Å³",
    "g/cm^3": "g/cm³",
    "gpa": "GPa",
    "log10(gpa)": "log10(GPa)",
    "c/m^2": "C/m²",
    "cm^-1": "cm⁻¹",
    "1/cm": "cm⁻¹",
    "k": "K",
    "mub": "μB",
    "bohr_magneton": "μB",
    "1": "dimensionless",
    "none": "dimensionless",
    "": "dimensionless",
}


def canonical_unit(unit: str, *, label: str) -> str:
    """Return the canonical spelling of a unit.

    Args:
        unit: A unit as written by a person, for example ``"eV/A"``.
        label: Name of the label, for the error message.

    Returns:
        One of the keys of ``UNITS``.

    Raises:
        UnitError: The unit is not one of them; labels are never converted silently.

    >>> canonical_unit("eV/A", label="forces")
    'eV/Å'
    """
    if unit in UNITS:
        return unit
    known = _ALIASES.get(unit.strip().lower())
    if known is None:
        raise UnitError(
            f"Label '{label}' has the unit '{unit}', which is not one of {', '.join(UNITS)}."
            f"{did_you_mean(unit, UNITS)} Convert the label to one of these units and declare it."
        )
    return known
