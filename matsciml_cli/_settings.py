"""Read the settings of a component from the source of its config module, without importing it.

Importing would need pydantic, which doubles the time that ``matsciml info`` takes, and would run
whatever else the module imports.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

_END = "pydantic"
"""Package of the class that all config classes descend from; it has no settings."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a config class."""

    name: str
    type: str
    """The annotation, as written."""
    default: Any
    """The value where it is a literal, and its source text otherwise."""
    description: str = ""
    """The attribute's docstring, with its unit, on one line."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The fields of a config class, and its named sets of values."""

    fields: tuple[Setting, ...] = ()
    presets: tuple[str, ...] = ()


def read_settings(class_path: str) -> Settings:
    """Read the fields of a config class.

    Args:
        class_path: ``"package.module:Class"``.

    Returns:
        The fields in the order of their definition, inherited ones first; nothing where the
        source does not exist or cannot be read.

    >>> read_settings("no.such.module:Config")
    Settings(fields=(), presets=())
    """
    module, _, class_name = class_path.partition(":")
    fields: dict[str, Setting] = {}
    presets: tuple[str, ...] = ()
    for node, constants in _lineage(module, class_name):
        # The docstring of an attribute is the statement after it.
        for statement, after in pairwise([*node.body, ast.Pass()]):
            name, value = _assignment(statement)
            if name == "presets":
                mapping = constants.get(value.id) if isinstance(value, ast.Name) else value
                if isinstance(mapping, ast.Dict):
                    names = (str(_literal(key, constants)) for key in mapping.keys if key)
                    presets = tuple(names) or presets
            elif isinstance(statement, ast.AnnAssign) and name and not name.startswith("_"):
                fields[name] = _setting(name, statement, after, constants)
    # Only now: a class variable of a subclass hides a field of the same name.
    settings = tuple(field for field in fields.values() if "ClassVar" not in field.type)
    return Settings(fields=settings, presets=presets)


def _lineage(
    module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[tuple[ast.ClassDef, dict[str, ast.expr]]]:
    """Yield the class and those it inherits from, base classes first.

    Each comes with the constants of its module, by which defaults may be named.
    """
    tree = None if (module, name) in seen or module.startswith(_END) else _parse(module)
    if tree is None:
        return
    seen |= {(module, name)}
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    node = next((node for node in classes if node.name == name), None)
    if node is None:  # the module only imports it
        yield from _lineage(*_origin(tree, module, name), seen)
        return
    for base in node.bases:
        if isinstance(base, ast.Name):
            yield from _lineage(*_origin(tree, module, base.id), seen)
    assignments = map(_assignment, tree.body)
    yield node, {constant: value for constant, value in assignments if value is not None}


def _origin(tree: ast.Module, module: str, name: str) -> tuple[str, str]:
    """Return the module that defines a name which a module uses, and its name there."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    package = module.split(".")[: -node.level] if node.level else []
                    return ".".join([*package, *filter(None, [node.module])]), alias.name
    return module, name


@lru_cache
def _parse(module: str) -> ast.Module | None:
    """Parse a module, which is searched for without importing the packages around it."""
    name, *rest = module.split(".")
    try:
        spec = find_spec(name)
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            name = f"{name}.{part}"
            # find_spec of the full name would import the parents.
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
        if spec is None or spec.origin is None:
            return None
        return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError):
        return None


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """Return the name that a statement assigns, and the value; empty where it assigns none."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, statement.value
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id, statement.value
    return "", None


def _setting(
    name: str, statement: ast.AnnAssign, after: ast.stmt, constants: dict[str, ast.expr]
) -> Setting:
    default, description = statement.value, ""
    if isinstance(default, ast.Call) and ast.unparse(default.func).endswith("Field"):
        keywords = {word.arg: word.value for word in default.keywords}
        description = str(_literal(keywords.get("description"), constants) or "")
        factory = keywords.get("default_factory")
        default = default.args[0] if default.args else keywords.get("default")
        if isinstance(factory, ast.Lambda):
            default = factory.body
        elif factory is not None:
            call = f"{ast.unparse(factory)}()"
            default = ast.parse(_EMPTY.get(call, call), mode="eval").body
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        description = inspect.cleandoc(str(after.value.value))
    return Setting(
        name=name,
        type=ast.unparse(statement.annotation),
        default=_literal(default, constants),
        description=" ".join(description.split()),
    )


_EMPTY = {"dict()": "{}", "list()": "[]", "tuple()": "()"}
"""Calls → literals of the same value, which can be told without a call."""


def _literal(node: ast.expr | None, constants: dict[str, ast.expr]) -> Any:
    """Return the value of a literal, or of a constant of the module; of others the source."""
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
