"""Every public name has a page of the reference, and every name on a page exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from source_files import SourceFile, read_sources

import matsciml_core

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*/*.md"))
DIRECTIVE = re.compile(
    r"^\.\. (autoclass|autofunction|autodata|automodule|py:data):: (\S+)\n((?: +:.*\n)*)",
    re.MULTILINE,
)


def public_modules() -> list[str]:
    """Return the modules of ours that declare their public names."""
    return [source.module for source in read_sources() if declares_names(source)]


def declares_names(source: SourceFile) -> bool:
    """Return whether a module assigns ``__all__``."""
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for node in source.tree.body
    )


def documented() -> Iterator[tuple[Path, str]]:
    """Yield page and import path of each name that a page documents."""
    for page in PAGES:
        for kind, path, options in DIRECTIVE.findall(page.read_text("utf-8")):
            if kind != "automodule":
                yield page, path
            elif ":no-members:" not in options:
                listed = re.search(r":members: (.+)", options)
                module = import_module(path)
                names = listed[1].split(", ") if listed else public_names(module)
                yield from ((page, f"{path}.{name}") for name in names)


def public_names(module: Any) -> list[str]:
    """Return what autodoc shows of a module: ``__all__``, or what is defined and documented."""
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    return list(getattr(module, "__all__", own))


def resolve(path: str) -> Any:
    """Import what a path names: a module, or something within one."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            value = getattr(value, name)
        return value
    raise ModuleNotFoundError(path)


@pytest.fixture(scope="module")
def shown() -> list[Any]:
    """Everything that pages document, the records of the page of hooks included."""
    from hook_reference import RECORDS

    records = [getattr(matsciml_core, name) for names in RECORDS.values() for name in names]
    return [*records, *(resolve(path) for _, path in documented())]


@pytest.mark.parametrize("path", sorted({path for _, path in documented()}))
def test_what_a_page_documents_exists(path):
    assert resolve(path) is not None


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_has_a_page(module, shown):
    names = [name for name in import_module(module).__all__ if not name.startswith("__")]
    values = {name: getattr(import_module(module), name) for name in names}
    missing = [name for name, value in values.items() if not any(value is one for one in shown)]
    assert not missing, "add them to a page of docs/reference, or take them out of __all__"
