"""The shell of every page: one HTML file with styles and script inside, and nothing beside it.

Templates are named by package and path, ``"matsciml_util_pages/assets/frame.html.j2"``, so that
those of a tool may extend and include those of this library.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

_ASSETS = "assets"
_OWN = "matsciml_util_pages"


def read_asset(package: str, name: str) -> str:
    """Return the text of a file in the folder ``assets`` of a package.

    Args:
        package: The package that holds the file, for example ``matsciml_tool_report``.
        name: Name of the file.
    """
    return files(package).joinpath(_ASSETS, name).read_text(encoding="utf-8")


_ENVIRONMENT = Environment(
    autoescape=True,  # ids, names and units come from files of others
    loader=FunctionLoader(lambda template: read_asset(*template.split(f"/{_ASSETS}/"))),
    # A name that a template misspells is an error, not an empty space on a page.
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def fill(template: str, values: Mapping[str, Any]) -> Markup:
    """Return a part of a page as HTML; everything that the values hold is escaped.

    Args:
        template: Package and path of a Jinja template, ``"<package>/assets/<file>"``.
        values: Values by the names that the template uses; one that is missing is an error.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(values))


def fill_page(
    template: str,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    connects: bool = False,
) -> str:
    """Return a whole page as HTML, in the style that all pages share.

    The page's content security policy admits its one script by the hash of its text, and no other.

    Args:
        template: As for :func:`fill`; it extends ``matsciml_util_pages/assets/frame.html.j2``.
        values: As for :func:`fill`.
        styles: Style sheets that follow the shared one.
        scripts: Scripts that follow the shared one.
        connects: Whether these may ask the server that the page is from, as pages do that follow a
            run; those in files never do.
    """
    # No more than one script: a policy that admits any inline script would admit one in an id, too.
    script = "\n".join([read_asset(_OWN, "page.js"), *scripts])
    frame = {
        "style": Markup("\n".join([read_asset(_OWN, "page.css"), *styles])),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "connects": Markup("'self'" if connects else "'none'"),
    }
    return fill(template, {**values, **frame})
