"""Pages of sheets as single HTML files, in the style of a run's report."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from matsciml_core.benchmarking.sheets import Page, Value, numbered
from matsciml_core.files import write_whole

_OF_REPORTS = ("matsciml_core.training.report", "report")
_OWN = ("matsciml_core.benchmarking", "sheets")


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
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only pages need it

    script = "\n".join(_asset(*one, "js") for one in (_OF_REPORTS, _OWN))
    context: dict[str, Any] = {
        "page": page,
        "style": Markup("\n".join(_asset(*one, "css") for one in (_OF_REPORTS, _OWN))),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "numbered": lambda names: numbered(names, page),
        "order": _order,
        "is_drawing": lambda item: hasattr(item, "svg"),
    }
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset(*_OWN, "html.j2")).render(context)


def _order(value: Value) -> str:
    """Return by what a value is sorted: its number, or its text in lower case."""
    return value.text.lower() if value.order is None else repr(float(value.order))


def _asset(package: str, name: str, ending: str) -> str:
    return files(package).joinpath(f"{name}.{ending}").read_text(encoding="utf-8")
