"""Values of sheets, and how they are sorted and filtered."""

from __future__ import annotations

import csv
import io

import pytest

from matsciml_util_pages.finished_runs import Spread
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value, spread_value, to_csv


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (Value("Megnet"), "megnet"),
        (Value("1.0 × 10³", order=1000), "1000.0"),
        (Value("0", order=0.0), "0.0"),
        (Value(), ""),
    ],
)
def test_numbers_sort_by_themselves_and_words_without_case(value: Value, key: str) -> None:
    assert value.sort_key == key


def test_numbers() -> None:
    assert number_value(0.15249) == Value("0.152", order=0.15249)
    assert number_value(None) == Value("—", tone="quiet")


def test_numbers_over_seeds() -> None:
    assert spread_value(Spread((0.5, 0.7))).text == "0.600 ± 0.141"
    assert spread_value(Spread((0.5,))) == Value("0.500", order=0.5)
    assert spread_value(Spread()) == Value("—", tone="quiet")


def test_readers_choose_among_several_values_only() -> None:
    sheet = Sheet(
        caption="",
        columns=[Column(key=key, title=key, facet=key != "c") for key in "abc"],
        rows=[
            {"a": Value("x"), "b": Value("same"), "c": Value("1")},
            {"a": Value("y"), "b": Value("same"), "c": Value("2")},
            {"a": Value("x"), "b": Value("same"), "c": Value("3")},
        ],
    )
    assert [(column.key, values) for column, values in sheet.facets()] == [("a", ["x", "y"])]


def test_csv_of_nothing() -> None:
    assert to_csv([]).strip() == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_text_is_a_formula(text):
    (row,) = csv.DictReader(io.StringIO(to_csv([{"name": text, "mae": -0.5}]), newline=""))
    assert row == {"name": f"'{text}", "mae": "-0.5"}
