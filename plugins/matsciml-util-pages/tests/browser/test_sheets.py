"""The pages with sortable tables, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matsciml_util_pages.pages import Page, Section, write_page
from matsciml_util_pages.sheets import Column, Sheet, Value
from matsciml_util_pages.views import Fact

ERRORS = {"a": 0.5, "b": 0.031, "c": None, "d": 12.0}
ENCODERS = {"a": "first", "b": "second", "c": "first", "d": "second"}
SORT = "document.querySelector('th[data-key={}] .sort').click()"
NAMES = "[...document.querySelectorAll('tbody tr:not([hidden]) th')].map(one => one.textContent)"


def sheet() -> Sheet:
    return Sheet(
        caption="All rows",
        columns=[
            Column(key="name", title="Name"),
            Column(key="encoder", title="Encoder", facet=True),
            Column(key="error", title="Error", unit="eV", numeric=True, strong=True),
        ],
        rows=[
            {
                "name": Value(name, below="" if name == "a" else "more"),
                "encoder": Value(ENCODERS[name]),
                "error": Value("—" if error is None else f"{error:g}", order=error, notes=("n",)),
            }
            for name, error in ERRORS.items()
        ],
    )


@pytest.fixture
def path(tmp_path):
    page = Page(
        eyebrow="A test",
        title="Some <rows> & more",
        lead="What they are.",
        facts=[Fact("Budget", "small")],
        sections=[Section(anchor="table", title="Results", views=[sheet()])],
        notes={"n": "Mind the unit."},
        command="matsciml benchmark table2",
        citations=["@article{a, title={B}}"],
    )
    return write_page(page, tmp_path / "page.html")


@pytest.fixture
def shown(browser, path):
    browser.open(path)
    yield browser
    assert browser.troubles == []
    assert browser.requests == []


def first_letters(browser) -> str:
    return "".join(name.strip()[0] for name in browser.run(NAMES))


def state_of(browser, key: str):
    return browser.run(f"document.querySelector('th[data-key={key}]').getAttribute('aria-sort')")


def test_it_opens_with_every_row(shown):
    assert shown.run("document.title") == "Some <rows> & more · MatSciML"
    assert first_letters(shown) == "abcd"
    assert shown.run("document.querySelector('.shown').textContent") == "4 of 4 rows"
    assert not shown.run("document.querySelector('.tools').hidden")


def test_numbers_sort_as_numbers_and_what_is_absent_comes_last(shown):
    shown.run(SORT.format("error"))
    assert first_letters(shown) == "badc"
    assert state_of(shown, "error") == "ascending"
    shown.run(SORT.format("error"))
    assert first_letters(shown) == "dabc"
    assert state_of(shown, "error") == "descending"


def test_words_sort_as_words(shown):
    shown.run(SORT.format("encoder"))
    assert first_letters(shown) == "acbd"
    assert state_of(shown, "error") is None


def test_a_column_is_sorted_with_the_keyboard_alone(shown):
    shown.run("document.querySelector('th[data-key=error] .sort').focus()")
    shown.press("Enter", "\r")
    assert first_letters(shown) == "badc"


def test_search_takes_all_words_in_any_order(shown):
    enter = (
        "const box = document.querySelector('.search'); box.value = {}; "
        "box.dispatchEvent(new Event('input'))"
    )
    shown.run("{" + enter.format(json.dumps("second MORE")) + "}")
    assert first_letters(shown) == "bd"
    assert shown.run("document.querySelector('.shown').textContent") == "2 of 4 rows"
    shown.run("{" + enter.format(json.dumps("no such row")) + "}")
    assert shown.run(NAMES) == []
    shown.run("document.querySelector('.reset').click()")
    assert first_letters(shown) == "abcd"


def test_a_choice_leaves_its_rows(shown):
    assert shown.run("[...document.querySelectorAll('option')].map(one => one.text)") == [
        "all", "first", "second",
    ]  # fmt: skip
    shown.run(
        "{const box = document.querySelector('select'); box.value = 'first';"
        "box.dispatchEvent(new Event('change'))}"
    )
    assert first_letters(shown) == "ac"


def test_a_footnote_is_reached_by_its_mark(shown):
    shown.run("document.querySelector('sup a').click()")
    assert shown.run("document.querySelector(':target').textContent") == "Mind the unit."


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_itself_never_scrolls_sideways(browser, path, width, dark):
    browser.open(path, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.troubles == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_the_contrast_that_accessibility_asks_for(browser, path, dark):
    browser.open(path, dark=dark)
    ratio, element = browser.worst_contrast()
    assert ratio >= 4.5, element


def test_without_scripts_the_table_is_whole(path):
    text = Path(path).read_text(encoding="utf-8")
    assert text.count("<tr>") == 5
    assert '<div class="tools" data-sheet="table-table" hidden>' in text
