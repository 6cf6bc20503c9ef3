"""A page as a tree of elements, to say in a test what it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from matsciml_util_pages.page_shell import read_asset

VOID = ("meta", "link", "br", "img", "input", "hr")
"""Elements that have no end tag."""


@dataclass
class Element:
    """An element of the page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    text: str = ""

    def inside(self, name: str) -> bool:
        """Whether the element lies in the section, or other element, with this id."""
        return self.attributes.get("id") == name or (
            self.parent is not None and self.parent.inside(name)
        )


class Document(HTMLParser):
    """The elements of a page; tags that do not nest are an error."""

    def __init__(self, source: str) -> None:
        """Parse the page."""
        super().__init__()
        self.source = source
        self.elements: list[Element] = []
        self.current: Element | None = None
        self.feed(source)
        self.close()
        if self.current is not None:
            raise AssertionError(f"<{self.current.tag}> is never closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        # Browsers repair such mistakes silently, each in its own way, so that tests must find them.
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            raise AssertionError(f"<{tag}> has an attribute twice")
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        self.elements.append(element)
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element that closes itself, as SVG allows."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if self.current is None or self.current.tag != tag:
            raise AssertionError(f"</{tag}> closes {self.current and self.current.tag}")
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        """Give text to all elements around it."""
        # So the text of a section has that of everything in it.
        element = self.current
        while element is not None:
            element.text += data
            element = element.parent

    def find(self, tag: str, within: str = "", **attributes: str) -> list[Element]:
        """Return elements by tag, enclosing id and attributes (``class_`` for ``class``)."""
        # ``class`` is a word of Python, and cannot be the name of an argument.
        expected = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and (not within or element.inside(within))
            and expected.items() <= element.attributes.items()
        ]

    def text(self, tag: str, within: str = "", **attributes: str) -> list[str]:
        """Return the texts of elements, with single spaces."""
        return [single_spaced(element.text) for element in self.find(tag, within, **attributes)]

    def section(self, name: str) -> str:
        """Return the text of a section."""
        (section,) = self.find("section", id=name)
        return single_spaced(section.text)

    def rows(self, within: str) -> list[list[str]]:
        """Return the cells of the body rows of all tables in a section."""
        rows: dict[int, list[str]] = {}
        for element in self.elements:
            if element.tag in ("td", "th") and element.inside(within) and element.parent:
                rows.setdefault(id(element.parent), []).append(single_spaced(element.text))
        return list(rows.values())

    @property
    def alternatives(self) -> list[str]:
        """The figures in words."""
        return [svg.attributes["aria-label"].replace("\u00a0", " ") for svg in self.find("svg")]


def single_spaced(text: str) -> str:
    r"""Return text with single spaces that may break, as a browser shows it.

    >>> single_spaced("0.5\u00a0eV,\n or more")
    '0.5 eV, or more'
    """
    return " ".join(text.split())


def read_document(path: Path) -> Document:
    """Read a page.

    Args:
        path: The HTML file.

    Raises:
        AssertionError: Its tags do not nest, or an element has an attribute twice.
    """
    return Document(path.read_text(encoding="utf-8"))


def palettes() -> tuple[dict[str, str], dict[str, str]]:
    """Return the light and the dark colours of all pages, ``#rrggbb`` by name of the variable."""
    style = read_asset("matsciml_util_pages", "page.css")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    pattern = r"(--[\w-]+): (#[0-9a-f]{6});"
    return dict(re.findall(pattern, light)), dict(re.findall(pattern, dark))
