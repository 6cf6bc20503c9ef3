"""Numbers in which a file ends."""

import random

import pytest

from matsciml_core.data.readers.torn import lacks_digits


@pytest.mark.parametrize(
    ("last", "others"),
    [
        ("0.1", ["0.12345678", "-1.00000000"]),
        ("-", ["0.12345678", "-1.00000000"]),
        ("", ["1.52", "2.25"]),
        ("2", ["1.52", "2.25"]),
        ("2.1", ["1.1414213562373095", "0.7320508075688772"]),
        ("1.23456E", ["1.23456E-02", "-4.00000E+00"]),
        ("1.23456", ["1.23456E-02", "-4.00000E+00"]),
        ("2.2", ["2.25"] * 30),
    ],
)
def test_a_number_with_fewer_digits_than_all_others_is_seen(last, others):
    assert lacks_digits(last, others)


@pytest.mark.parametrize(
    ("last", "others"),
    [
        ("-3.5", ["-1.25", "-2.75"]),  # one digit fewer, as one number in ten has
        ("0.5", ["0.25", "1.5", "0.125"]),
        ("3.0", ["1.1414213562373095", "0.7320508075688772"]),
        ("7", ["12", "13", "14"]),
        ("x", ["yes", "no"]),
        ("0.1", ["0.12345678"]),
        ("0.1", []),
        ("0.12345678", ["0.12345678", "-1.00000000"]),
        ("nan", ["1.5", "nan"]),
        ("1.5E-03", ["1.23456E-02", "-4.00000E+00"]),
    ],
)
def test_a_number_that_may_be_whole_is_taken_for_whole(last, others):
    assert not lacks_digits(last, others)


def test_what_python_prints_is_taken_for_torn_once_in_a_hundred_times_at_most():
    """Of lines joined without an end of the last one, as scripts write them."""
    draw = random.Random(0)
    number = [[repr(draw.uniform(-9, 9)) for _ in range(8)] for _ in range(2000)]
    rounded = [[repr(round(draw.uniform(-9, 9), 3)) for _ in range(8)] for _ in range(2000)]
    for columns in (number, rounded):
        assert sum(lacks_digits(column[-1], column[:-1]) for column in columns) <= 20
