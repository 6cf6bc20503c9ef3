"""Numbers as a person reads them: three significant digits, with their unit."""

from __future__ import annotations

import math
from datetime import datetime

DIGITS = 3
"""Significant digits of every measured number of the report."""
ABSENT = "—"
"""What stands where a number does not exist."""
UNITLESS = ("", "class", "dimensionless")
"""Units that are not written behind a number."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN_EXPONENTS = range(-3, 5)
"""Decimal exponents that are written out; beyond them powers of ten are clearer."""


def number(value: object, *, signed: bool = False) -> str:
    """Write a number with three significant digits.

    Args:
        value: A number; anything else, and what is not finite, is written as absent.
        signed: Whether to write the plus sign of a positive number.

    >>> number(0.15249), number(-1234567.0), number(0.02, signed=True), number(None)
    ('0.152', '−1.23\u00a0×\u00a010⁶', '+0.0200', '—')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    # Rounded once, so that 0.99996 gets the digits of 1.00 and not of 0.999.
    mantissa, _, power = f"{abs(value):.{DIGITS - 1}e}".partition("e")
    exponent = int(power)
    sign = "−" if value < 0 else "+" if signed else ""
    if exponent not in _PLAIN_EXPONENTS:
        return f"{sign}{mantissa}\u00a0×\u00a010{str(exponent).translate(_SUPERSCRIPTS)}"
    rounded = float(f"{mantissa}e{exponent}")
    return f"{sign}{rounded:,.{max(DIGITS - 1 - exponent, 0)}f}"


def quantity(value: object, unit: str, *, signed: bool = False) -> str:
    """Write a number with its unit; a space that does not break stands between them.

    >>> quantity(0.5, "eV/atom").replace(chr(160), " "), quantity(0.5, "dimensionless")
    ('0.500 eV/atom', '0.500')
    """
    # A unit behind a number that does not exist would look like a measurement.
    text = number(value, signed=signed)
    return text if unit in UNITLESS or text == ABSENT else f"{text}\u00a0{unit}"


def count(value: object) -> str:
    """Write a whole number in full.

    >>> count(196721)
    '196,721'
    """
    return f"{value:,}" if isinstance(value, int) else ABSENT


def counted(value: int, noun: str) -> str:
    """Write a number of things; the noun is given in the singular.

    >>> counted(1, "crystal"), counted(1500, "crystal")
    ('1 crystal', '1,500 crystals')
    """
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def percent(share: float) -> str:
    """Write a share as per cent, for example ``80.0 %``.

    >>> percent(0.8).replace(chr(160), " ")
    '80.0 %'
    """
    return f"{number(100 * share)}\u00a0%"


def power(unit: str, exponent: int) -> str:
    """Raise a unit to a power.

    >>> power("eV/atom", 2), power("eV", 2), power("eV", 1), power("dimensionless", 2)
    ('(eV/atom)²', 'eV²', 'eV', '')
    """
    if exponent == 0 or unit in UNITLESS:
        return ""
    if exponent == 1:
        return unit
    base = unit if unit.isalpha() else f"({unit})"
    return base + str(exponent).translate(_SUPERSCRIPTS)


def with_unit(name: str, unit: str) -> str:
    """Return the heading of numbers that share a unit, for example the label of an axis.

    >>> with_unit("Error", "eV"), with_unit("Skill", "dimensionless")
    ('Error (eV)', 'Skill')
    """
    return name if unit in UNITLESS else f"{name} ({unit})"


def duration(seconds: object) -> str:
    """Write a time span in the units a person would choose.

    >>> [duration(value).replace(chr(160), " ") for value in (7.7, 225, 3725)]
    ['7.70 s', '3 min 45 s', '1 h 2 min']
    """
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return ABSENT
    if seconds < 60:
        return quantity(seconds, "s")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def moment(text: object) -> str:
    """Write an ISO time to the minute, with its zone; what is no ISO time stays as it is.

    >>> moment("2026-11-23T01:15:57+00:00")
    '2026-11-23 01:15 UTC'
    """
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return str(text)


def words(name: str) -> str:
    """Turn a registry or label name into words for running text.

    >>> words("formation_energy_per_atom")
    'formation energy per atom'
    """
    return name.replace("_", " ")
