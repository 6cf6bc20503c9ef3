"""The page of a table in a real browser, on a telephone and on a screen, by day and by night."""

from __future__ import annotations

import pytest

from matsciml_tool_benchmark.table_page import write_table

LONG = "a_label_with_quite_a_long_name_that_nobody_has_shortened_2026-12-03"


def test_a_filled_table_fits_and_can_be_read(browser, filled):
    page = write_table(filled)
    assert browser.faults(page) == []
    shown = browser.run("document.body.innerText")
    assert "1.50 ± 0.707" in shown
    assert "The moon is in the wrong place." in shown


@pytest.mark.parametrize("columns", [1, 9])
def test_long_names_and_many_columns_scroll_within_the_table(
    browser, make_benchmark, fill, columns
):
    encoders = {f"{LONG}-{k}": {} for k in range(columns)}
    benchmark = make_benchmark(
        encoders=encoders,
        title=LONG,
        row={"title": LONG},
        command=f"matsciml benchmark {LONG} --only {LONG}",
    )
    fill(benchmark)
    assert browser.faults(write_table(benchmark)) == []


def test_a_table_that_nothing_has_filled_yet_can_be_read(browser, make_benchmark):
    assert browser.faults(write_table(make_benchmark())) == []
