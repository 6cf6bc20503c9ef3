"""Pages: what stands on them, as HTML and as Markdown, and the files that they are written to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from matsciml_util_pages.pages import (
    Page,
    Section,
    check,
    render,
    to_markdown,
    write_page,
    write_page_files,
)
from matsciml_util_pages.sheets import Column, Sheet, Value
from matsciml_util_pages.testing.documents import Document, read_document
from matsciml_util_pages.views import (
    Absent,
    Beside,
    Copyable,
    Details,
    Fact,
    Facts,
    Heading,
    Lead,
    Table,
    Tables,
    View,
    facts,
)

TABLE = Table(caption="Errors", columns=["Name", "MAE"], rows=[["a<b", "0.5"], ["c", "1"]])
SHEET = Sheet(
    caption="Runs",
    columns=[
        Column(key="name", title="Name", facet=True),
        Column(key="error", title="Error", unit="eV", numeric=True),
        Column(key="empty", title="Empty"),
    ],
    rows=[
        {"name": Value("a|b"), "error": Value("0.5", order=0.5, notes=("unit",)), "empty": Value()},
        {"name": Value("c", below="of two"), "error": Value("—"), "empty": Value()},
    ],
)


def page_with(*views: View, **more) -> Document:
    """Return a page of one section with these views."""
    section = Section(anchor="one", title="One", lead="What it is.", views=views)
    return Document(render(Page(eyebrow="A test", title="Title", sections=[section], **more)))


def test_everything_at_the_top() -> None:
    page = page_with(
        notices=["Mind the gap."], facts=[Fact("Seed", "7"), Fact("Hash", "ab", code=True)],
        top=[Absent("No number.")], lead="What the page is.",
    )  # fmt: skip
    assert page.text("title") == ["Title · MatSciML"]
    assert page.text("p", class_="eyebrow") == ["A test"]
    assert page.text("p", role="note") == ["Mind the gap."]
    assert page.text("dd") == ["7", "ab"]
    assert page.text("code") == ["ab"]
    assert page.text("p", class_="absent") == ["No number."]
    assert not page.find("nav"), "a page of one section needs no list of contents"


def test_sections_are_in_the_contents() -> None:
    sections = [Section(anchor=name, title=name.upper()) for name in "ab"]
    page = Document(render(Page(eyebrow="", title="", sections=sections)))
    links = [(link.attributes["href"], link.text) for link in page.find("a") if link.parent]
    assert links[1:] == [("#a", "A"), ("#b", "B")]
    assert [one.attributes["aria-labelledby"] for one in page.find("section")] == [
        "a-title", "b-title",
    ]  # fmt: skip


def test_every_view_is_written() -> None:
    page = page_with(
        Lead("What follows."),
        Heading("A & B"),
        TABLE,
        Tables([TABLE, TABLE]),
        Facts(facts(("Seed", 7), ("GPU", None))),
        Beside([TABLE], [Heading("Beside")]),
        Details("More", [Copyable(name="text", what="the text", text="a < b")]),
        Absent("Nothing <here>."),
    )
    assert page.text("p", class_="lead") == ["What it is.", "What follows."]
    assert page.text("h3") == ["A & B", "Beside"]
    assert len(page.find("table")) == 4
    assert page.rows("one")[:3] == [["Name", "MAE"], ["a<b", "0.5"], ["c", "1"]]
    assert page.text("dt") == ["Seed"]
    assert page.text("pre", id="text") == ["a < b"]
    assert page.text("summary") == ["More"]
    assert page.text("p", class_="absent") == ["Nothing <here>."]


def test_no_facts_are_no_list() -> None:
    assert not page_with(Facts([])).find("dl")


def test_a_table_with_bars() -> None:
    table = Table(caption="", columns=["a", "b"], rows=[["x", "1"]], bars=[0.25], identifiers=True)
    page = page_with(table)
    (bar,) = [one for one in page.find("span") if "style" in one.attributes]
    assert bar.attributes["style"] == "width: 25.00%"
    assert page.text("code") == ["x"]


def test_footnotes_are_numbered_in_the_order_of_the_page() -> None:
    notes = {"unused": "Not named.", "unit": "Mind the unit."}
    page = page_with(SHEET, notes=notes)
    assert page.text("sup") == ["2"]
    assert page.text("li", id="note-2") == ["Mind the unit."]
    whole = Page(eyebrow="", title="", notes=notes)
    assert whole.footnotes(["unit", "unused", "unknown", "unit"]) == [1, 2]


def test_two_sheets_of_a_section_have_ids_of_their_own() -> None:
    page = page_with(SHEET, Lead("And another."), SHEET)
    ids = [table.attributes["id"] for table in page.find("table")]
    assert ids == ["one-table", "one-table3"]
    assert [one.attributes["data-sheet"] for one in page.find("div", class_="tools")] == ids


def test_pages_without_sheets_have_no_script_of_sheets() -> None:
    assert "aria-sort" not in page_with(TABLE).source
    assert "aria-sort" in page_with(SHEET).source


def test_the_origin_is_to_be_copied() -> None:
    page = page_with(command="matsciml report a", citations=["@misc{a}", "@misc{b}"])
    assert page.text("pre", id="command") == ["matsciml report a"]
    (bibtex,) = page.find("pre", id="bibtex")
    assert bibtex.text == "@misc{a}\n\n@misc{b}"


def test_markdown() -> None:
    sections = [
        Section(anchor="a", title="A", lead="Runs.", views=[SHEET]),
        Section(anchor="b", title="B", views=[TABLE]),
    ]
    page = Page(
        eyebrow="", title="Title", lead="Lead.", facts=[Fact("Seed", "7")], notices=["Mind."],
        sections=sections, notes={"unit": "Its unit."},
    )  # fmt: skip
    assert to_markdown(page) == (
        "# Title\n\nLead.\n\n> Mind.\n\n- Seed: 7\n\n## A\n\nRuns.\n\n"
        "| Name | Error (eV) |\n| --- | ---: |\n| a\\|b | 0.5[^1] |\n| c of two | — |\n\n"
        "[^1]: Its unit.\n"
    )


def test_files_beside_the_page(tmp_path: Path) -> None:
    page = Page(eyebrow="", title="T", sections=[Section(anchor="a", title="A", views=[SHEET])])
    records = [{"name": "a", "error": 0.5}, {"name": "b", "error": None}]
    path = write_page_files(page, records, tmp_path / "new", "index", {"schema": 1})
    assert path == tmp_path / "new" / "index.html"
    assert read_document(path).text("h1") == ["T"]
    assert json.loads(path.with_suffix(".json").read_text()) == {"schema": 1}
    with path.with_suffix(".csv").open(newline="") as stream:
        assert list(csv.DictReader(stream))[1] == {"name": "b", "error": ""}
    assert path.with_suffix(".md").read_text("utf-8").startswith("# T\n")


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = write_page(Page(eyebrow="", title="Old"), tmp_path / "page.html")
    broken = Section(anchor="a", title="A", views=["no view"])  # type: ignore[list-item]
    with pytest.raises(UndefinedError):
        write_page(Page(eyebrow="", title="New", sections=[broken]), path)
    assert "Old" in path.read_text("utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_section_can_be_checked_alone() -> None:
    check(Section(anchor="a", title="A", views=[SHEET, TABLE]))
    with pytest.raises(UndefinedError):
        check(Section(anchor="a", title="A", views=["no view"]))  # type: ignore[list-item]
