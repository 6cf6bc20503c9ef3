"""Markdown tables, and the fields of records and configs as their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from sphinx.pycode import ModuleAnalyzer

_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(markdown_table(("a", "b"), [("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [header, *rows]
    texts = ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]
    return "\n".join([texts[0], "|" + "---|" * len(header), *texts[1:]])


def inline(text: str) -> str:
    """Bring a docstring onto one line of Markdown.

    >>> inline("Imported by :meth:`load`,   never ``before``.")
    'Imported by `load`, never `before`.'
    """
    words = " ".join(text.split()).replace("``", "`")
    return _ROLE.sub(r"`\1`", words)


def code(value: Any) -> str:
    """Return a value as it is written in YAML, set as code; empty for an empty text."""
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {item}" for key, item in value.items())
        return f"`{{{inner}}}`"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`" if str(value) else '`""`'


def attribute_docs(owner: type) -> dict[str, str]:
    """Return the docstrings of a class's attributes, inherited ones included, by name."""
    found: dict[str, str] = {}
    for cls in reversed(owner.__mro__):
        if cls.__module__ != "builtins" and cls.__module__.startswith(("matsciml", "typing_")):
            docs = ModuleAnalyzer.for_module(cls.__module__).find_attr_docs()
            found |= {
                name: "\n".join(lines)
                for (where, name), lines in docs.items()
                if where == cls.__qualname__
            }
    return found


def record_table(record: type) -> str:
    """Return the fields of a dataclass as a table."""
    docs = attribute_docs(record)
    rows = [
        (f"`{one.name}`", f"`{one.type}`", _default(one), inline(docs.get(one.name, "")))
        for one in fields(record)
    ]
    return markdown_table(("field", "type", "default", "what it is"), rows)


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"`{field.default!r}`" if _is_short(field.default) else f"`{_call(field.default)}`"
    if field.default_factory is not MISSING:
        return f"`{field.default_factory()!r}`"
    return "required"


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | tuple | type(None))


def _call(value: Any) -> str:
    return f"{type(value).__name__}()"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
