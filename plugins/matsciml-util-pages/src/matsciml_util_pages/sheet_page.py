"""Pages of sheets as single HTML files, in the style of a run's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.files import write_json, write_whole
from matsciml_util_pages import page_shell
from matsciml_util_pages.sheets import Page, Value, numbered, to_csv, to_markdown

_OWN = "matsciml_util_pages"


def write_page(page: Page, path: Path) -> Path:
    """Write a page; it needs no network and nothing beside it.

    Args:
        page: The page.
        path: The file.

    Returns:
        The file.
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
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.md", to_markdown(page).encode())
    write_whole(folder / f"{name}.csv", to_csv(records).encode())
    write_json(folder / f"{name}.json", data)
    return write_page(page, folder / f"{name}.html")


def render(page: Page) -> str:
    """Return a page as HTML."""
    context = {
        "page": page,
        "numbered": lambda names: numbered(names, page),
        "order": _order,
        "is_plot": lambda item: hasattr(item, "svg"),
    }
    return page_shell.render(
        page_shell.read_asset(_OWN, "sheets.html.j2"),
        context,
        styles=[page_shell.read_asset(_OWN, "sheets.css")],
        scripts=[page_shell.read_asset(_OWN, "sheets.js")],
    )


def _order(value: Value) -> str:
    """Return by what a value is sorted: its number, or its text in lower case."""
    return value.text.lower() if value.order is None else repr(float(value.order))
