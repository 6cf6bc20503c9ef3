"""Pages of sheets as single HTML files, in the style of a run's report."""

from __future__ import annotations

from pathlib import Path

from matsciml_core.files import write_whole
from matsciml_util_pages import shell
from matsciml_util_pages.sheets import Page, Value, numbered

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


def render(page: Page) -> str:
    """Return a page as HTML."""
    context = {
        "page": page,
        "numbered": lambda names: numbered(names, page),
        "order": _order,
        "is_drawing": lambda item: hasattr(item, "svg"),
    }
    return shell.render(
        shell.read_asset(_OWN, "sheets.html.j2"),
        context,
        styles=[shell.read_asset(_OWN, "sheets.css")],
        scripts=[shell.read_asset(_OWN, "sheets.js")],
    )


def _order(value: Value) -> str:
    """Return by what a value is sorted: its number, or its text in lower case."""
    return value.text.lower() if value.order is None else repr(float(value.order))
