"""Pages read as trees: what tests of pages stand on."""

from __future__ import annotations

import pytest

from matsciml_util_pages.testing.documents import Document

PAGE = (
    '<html><body><section id="one"><p class="a">Some\n<b>bold</b>\u00a0text</p></section>'
    '<table><tr><th>A</th><td>1</td></tr></table><svg aria-label="An\u00a0svg"/><br></body></html>'
)


def test_elements_are_found_with_the_text_inside_them() -> None:
    page = Document(PAGE)
    assert page.text("p", "one", class_="a") == ["Some bold text"]
    assert page.section("one") == "Some bold text"
    assert page.find("p", "two") == []
    assert page.rows("") == []
    assert page.alternatives == ["An svg"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<p>", "<p> is never closed"),
        ("</p>", "</p> closes None"),
        ("<p><b></p></b>", "</p> closes b"),
        ('<p id="a" id="b"></p>', "<p> has an attribute twice"),
    ],
)
def test_what_browsers_repair_is_an_error(source: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        Document(source)
