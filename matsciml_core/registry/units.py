"""The units a label may have. Torch-free, so that specs can be checked at registration."""

from __future__ import annotations

import re

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
    "W/(m·K)": "thermal conductivity",
    "S/m": "electrical conductivity",
    "class": "integer class; -1 where missing",
    "dimensionless": "a pure number",
}
"""Canonical unit → what it measures. Labels are stored in these units, or in products of
:data:`FACTORS`, and in no others."""

FACTORS = frozenset(
    {"1", "atom", "eV", "Å", "e", "μB", "K", "GPa", "u", "fs", "ps", "s", "THz", "C", "V", "T"}
)
"""Units of which products, quotients and powers are units too, such as ``e·Å`` (dipole moment),
``1/eV`` (density of states) or ``eV/Å²`` (force constant). One unit for each quantity, so that
energies in meV or lengths in bohr cannot slip in; no metre, because A/m means ampere."""
_FACTOR = re.compile(r"([^⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")
_ASCII = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

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
        unit: A unit in any usual spelling, for example ``"eV/A"``.
        label: Name of the label, for the error message.

    Returns:
        One of the keys of ``UNITS``, or a product of ``FACTORS``.

    Raises:
        UnitError: The unit is neither; labels are never converted silently.

    >>> canonical_unit("eV/A", label="forces")
    'eV/Å'
    >>> canonical_unit("e*A^2", label="quadrupole")
    'e·Å²'
    """
    if unit in UNITS:
        return unit
    canonical = _ALIASES.get(unit.strip().lower()) or _product(unit.strip())
    if canonical is None:
        raise UnitError(
            f"Label '{label}' has the unit '{unit}', which is not one of {', '.join(UNITS)}, nor a "
            f"product of {', '.join(sorted(FACTORS))}.{did_you_mean(unit, UNITS)} Convert the "
            "label to one of these units and declare it."
        )
    return canonical


def _product(unit: str) -> str | None:
    """Return the canonical spelling of a product, quotient or power; None: it is none."""
    superscript = re.sub(r"\^(-?\d+)", lambda match: match[1].translate(_ASCII), unit)
    parts = re.split(r"([·/])", superscript.replace("*", "·"))
    for index in range(0, len(parts), 2):  # operators stand between
        match = _FACTOR.fullmatch(parts[index].strip())
        if match is None:
            return None
        factor = match[1] if match[1] in FACTORS else _ALIASES.get(match[1].lower())
        if factor is None or factor not in FACTORS:
            return None
        parts[index] = factor + (match[2] or "")
    return "".join(parts)
