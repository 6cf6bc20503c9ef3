"""Numbers, units and times in words."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_util_pages.numbers import count, counted, duration, moment, number, power, quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.15249, "0.152"),
        (0.99996, "1.00"),
        (-12.345, "−12.3"),
        (999.6, "1,000"),
        (12345.0, "12,300"),
        (0.001, "0.00100"),
        (0.0009996, "0.00100"),
        (0.000123456, "1.23 × 10⁻⁴"),
        (-2.5e12, "−2.50 × 10¹²"),
        (float("nan"), "—"),
        (float("inf"), "—"),
        (None, "—"),
        ("text", "—"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert number(value).replace("\u00a0", " ") == text


def test_numbers_keep_three_digits_over_all_magnitudes() -> None:
    random = np.random.default_rng(5)
    for value in 10.0 ** random.uniform(-12, 12, 500) * random.choice([-1, 1], 500):
        text = number(float(value)).replace("−", "-").replace(",", "").replace("\u00a0", "")
        digits, _, exponent = text.partition("×10")
        plain = exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        assert float(f"{digits}e{plain or 0}") == pytest.approx(value, rel=0.0051)


def test_units() -> None:
    assert quantity(1.5, "eV/Å", signed=True) == "+1.50\u00a0eV/Å"
    assert quantity(1.5, "") == "1.50"
    assert quantity(None, "eV") == "—"
    assert [power("eV/Å³", 1), power("Å", 2), power("cm⁻¹", 2)] == ["eV/Å³", "Å²", "(cm⁻¹)²"]
    assert [count(1234567), count(None), counted(2, "value")] == ["1,234,567", "—", "2 values"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.500 s"),
        (59.4, "59.4 s"),
        (60, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (90000, "25 h 0 min"),
        (None, "—"),
    ],
)
def test_duration(seconds: object, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text


def test_moment_keeps_its_zone() -> None:
    assert moment("2026-03-01T09:30:59+05:30") == "2026-03-01 09:30 UTC+05:30"
    assert moment("yesterday") == "yesterday"
