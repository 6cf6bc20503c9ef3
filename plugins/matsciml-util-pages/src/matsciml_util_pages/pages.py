"""Pages: what stands at their top, their sections, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matsciml_core.files import write_json, write_whole
from matsciml_util_pages.page_shell import fill, fill_page, read_asset
from matsciml_util_pages.sheets import Sheet, to_csv
from matsciml_util_pages.views import Copyable, Details, Fact, View

_OWN = "matsciml_util_pages"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page, which the list of contents names."""

    anchor: str
    """Unique within the page; where links lead to."""
    title: str
    lead: str = ""
    """What the section shows, where its title does not say it."""
    views: Sequence[View] = ()

    @property
    def sheets(self) -> list[Sheet]:
        """The sheets among the views."""
        return [view for view in self.views if isinstance(view, Sheet)]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page."""

    eyebrow: str
    """A line above the title: what kind of page it is."""
    title: str
    site: str = "MatSciML"
    """What the title of the window ends with."""
    lead: str = ""
    notices: Sequence[str] = ()
    """What a reader must know before believing the page."""
    facts: Sequence[Fact] = ()
    top: Sequence[View] = ()
    """What stands above the list of contents."""
    sections: Sequence[Section] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    """Footnotes by name, in their order; values of sheets name them."""
    command: str = ""
    """What made the page, and makes it again."""
    citations: Sequence[str] = ()
    """BibTeX of data and methods."""

    @property
    def wide(self) -> bool:
        """Whether the page takes the room that sheets need."""
        return any(section.sheets for section in self.sections)

    def footnotes(self, names: Sequence[str]) -> list[int]:
        """Return the numbers of footnotes, ascending; those that the page lacks are left out."""
        numbers = {name: number for number, name in enumerate(self.notes, start=1)}
        return sorted(numbers[name] for name in set(names) if name in numbers)

    def origin(self) -> list[View]:
        """Return what the page says about where it comes from."""
        views: list[View] = []
        if self.command:
            views.append(Copyable(name="command", what="the command", text=self.command))
        if self.citations:
            text = "\n\n".join(self.citations)
            entries = Copyable(name="bibtex", what="the BibTeX entries", text=text)
            views.append(Details("BibTeX of data and methods", [entries]))
        return views


def render(page: Page, *, style: str = "", script: str = "") -> str:
    """Return a page as HTML; it needs no network and nothing beside it.

    Args:
        page: The page.
        style: A style sheet that follows the shared ones.
        script: A script that follows the shared ones, and may ask the server that the page is from.
    """
    # A page without sheets needs neither their style nor their script; one that is followed by a
    # script may have sheets later.
    wide = page.wide or bool(script)
    return fill_page(
        f"{_OWN}/assets/page.html.j2",
        {"page": page},
        styles=[*([read_asset(_OWN, "sheets.css")] if wide else []), style],
        scripts=[*([read_asset(_OWN, "sheets.js")] if wide else []), script],
        connects=bool(script),
    )


def check(section: Section) -> None:
    """Raise whatever the templates of a section's views raise, before a page depends on them.

    Args:
        section: Of which it is not known whether all its views can be written.
    """
    page = Page(eyebrow="", title="", sections=[section])
    fill(f"{_OWN}/assets/section.html.j2", {"page": page, "section": section})


def write_page(page: Page, path: Path) -> Path:
    """Write a page as HTML, whole or not at all, and return its path.

    Args:
        page: The page.
        path: The file.
    """
    write_whole(path, render(page).encode())
    return path


def write_page_files(
    page: Page, records: Sequence[Mapping[str, Any]], folder: Path, name: str, data: Any
) -> Path:
    """Write a page as HTML and Markdown, and its numbers as CSV and JSON.

    Args:
        page: The page.
        records: Rows of the CSV file.
        folder: Where to; made where it is missing.
        name: Name of the files, without their ending.
        data: Content of the JSON file.

    Returns:
        Path of the HTML page.
    """
    # HTML comes last: where it is there, the files that it may name are there too.
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.md", to_markdown(page).encode())
    write_whole(folder / f"{name}.csv", to_csv(records).encode())
    write_json(folder / f"{name}.json", data)
    return write_page(page, folder / f"{name}.html")


def to_markdown(page: Page) -> str:
    """Return a page as Markdown: its facts, and its sheets with their footnotes."""
    parts = [f"# {page.title}", page.lead]
    parts += [f"> {notice}" for notice in page.notices]
    parts.append("\n".join(f"- {fact.name}: {fact.value}" for fact in page.facts))
    for section in page.sections:
        # Figures do not reach Markdown; their words stand on the page.
        if section.sheets:
            title = f"## {section.title}" if len(page.sections) > 1 else ""
            tables = [sheet.to_markdown(page.footnotes) for sheet in section.sheets]
            parts += [title, section.lead, *tables]
    parts += [f"[^{number}]: {text}" for number, text in enumerate(page.notes.values(), start=1)]
    return "\n\n".join(part for part in parts if part) + "\n"
