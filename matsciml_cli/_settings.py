"""Read the settings of a component from the source of its config module, without importing it.

Importing would need pydantic, which doubles the time that ``matsciml info`` takes, and would run
whatever else the module imports.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
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


def read_settings(target: str) -> Settings:
    """Read the fields of a config class.

    Args:
        target: ``"package.module:Class"``.

    Returns:
        The fields in the order of their definition, inherited ones first; nothing where the
        source cannot be found or read.

    >>> read_settings("no.such.module:Config")
    Settings(fields=(), presets=())
    """
    module, _, name = target.partition(":")
    fields: dict[str, Setting] = {}
    presets: tuple[str, ...] = ()
    for node, constants in _lineage(module, name):
        for setting in _fields(node, constants):
            fields[setting.name] = setting
        presets = _presets(node, constants) or presets
    return Settings(fields=tuple(fields.values()), presets=presets)


def _lineage(
    module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[tuple[ast.ClassDef, dict[str, ast.expr]]]:
    """Yield the class and those it inherits from, base classes first."""
    tree = None if (module, name) in seen or module.startswith(_END) else _parse(module)
    if tree is None:
        return
    seen |= {(module, name)}
    node = next(
        (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name), None
    )
    if node is None:
        yield from _lineage(*_origin(tree, module, name), seen)
        return
    for base in node.bases:
        if isinstance(base, ast.Name):
            yield from _lineage(*_origin(tree, module, base.id), seen)
    yield node, dict(_constants(tree))


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
    try:
        file = _source_file(module)
        return None if file is None else ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError):
        return None


def _source_file(module: str) -> Path | None:
    """Find a module's file without importing the packages around it."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _fields(node: ast.ClassDef, constants: dict[str, ast.expr]) -> Iterator[Setting]:
    following = [*node.body[1:], ast.Pass()]
    for statement, after in zip(node.body, following, strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        annotation = ast.unparse(statement.annotation)
        if statement.target.id.startswith("_") or "ClassVar" in annotation:
            continue
        default, description = _default(statement.value, constants)
        yield Setting(
            name=statement.target.id,
            type=annotation,
            default=default,
            description=" ".join((_docstring(after) or description).split()),
        )


def _docstring(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return inspect.cleandoc(str(node.value.value))
    return ""


def _default(value: ast.expr | None, constants: dict[str, ast.expr]) -> tuple[Any, str]:
    """Return the default of a field, and the description where ``Field(…)`` gives one."""
    if not (isinstance(value, ast.Call) and ast.unparse(value.func).endswith("Field")):
        return _literal(value, constants), ""
    given = {word.arg: word.value for word in value.keywords}
    description = str(_literal(given.get("description"), constants) or "")
    if "default_factory" in given:
        return _made(given["default_factory"], constants), description
    default = value.args[0] if value.args else given.get("default")
    return _literal(default, constants), description


def _made(factory: ast.expr, constants: dict[str, ast.expr]) -> Any:
    """Return what a default factory makes, where that can be told without calling it."""
    if isinstance(factory, ast.Lambda):
        return _literal(factory.body, constants)
    name = ast.unparse(factory)
    if name in _EMPTY:
        return _EMPTY[name]()
    return f"{name}()"


_EMPTY: dict[str, Callable[[], Any]] = {"dict": dict, "list": list, "tuple": tuple}
"""What makes an empty collection, when it is called with nothing."""


def _literal(node: ast.expr | None, constants: dict[str, ast.expr]) -> Any:
    if node is None:
        return None
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _presets(node: ast.ClassDef, constants: dict[str, ast.expr]) -> tuple[str, ...]:
    for statement in node.body:
        target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
        if isinstance(target, ast.Name) and target.id == "presets":
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Name):
                value = constants.get(value.id)
            if isinstance(value, ast.Dict):
                return tuple(str(_literal(key, constants)) for key in value.keys if key)
    return ()
