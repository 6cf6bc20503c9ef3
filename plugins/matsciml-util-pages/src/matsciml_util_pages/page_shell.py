"""The shell of every page: one HTML file with styles and script inside, and nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

_OWN = "matsciml_util_pages"


def read_asset(package: str, name: str) -> str:
    """Return the text of a file that lies in a package.

    Args:
        package: The package that holds the file, for example ``matsciml_tool_report``.
        name: Name of the file.
    """
    return files(package).joinpath(name).read_text(encoding="utf-8")


def render(
    template: str,
    context: Mapping[str, Any],
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """Return a page as HTML, in the style that all pages share.

    Everything that the context holds is escaped. The page's content security policy admits its one
    script by the hash of its text, and no other.

    Args:
        template: Jinja template; it finds ``style``, ``script`` and ``script_hash`` beside what the
            context holds.
        context: Values by name.
        styles: Style sheets that follow the shared one.
        scripts: Scripts that follow the shared one.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only pages need it

    script = "\n".join([read_asset(_OWN, "page.js"), *scripts])
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(
        {
            **context,
            "style": Markup("\n".join([read_asset(_OWN, "page.css"), *styles])),
            "script": Markup(script),
            "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        }
    )
