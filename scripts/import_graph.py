"""Which of our modules imports which, wherever in the file it does so."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from source_files import SourceFile


@dataclass(frozen=True, order=True)
class Import:
    """One import of one of our modules by another."""

    path: str
    """File of the module that imports."""
    line: int
    importer: str
    imported: str
    """The imported module."""
    name: str = ""
    """What is taken from it; empty: the module itself."""


def read_imports(sources: Iterable[SourceFile]) -> list[Import]:
    """Return all imports among the sources, those within functions included.

    Imports for type checkers only are left out: they are never executed.
    """
    files = {source.module: source for source in sources}
    return sorted(
        item
        for source in files.values()
        for node in _executed(source.tree)
        for item in _resolve(node, source, files)
    )


def graph_of(imports: Iterable[Import], modules: Iterable[str]) -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for item in imports:
        graph[item.importer].add(item.imported)
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import one another, directly or through others.

    References:
        Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1, 146 (1972).
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for other in sorted(graph[module]):
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in path:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            start = path.index(module)
            group = path[start:]
            del path[start:]
            if len(group) > 1:
                groups.append(sorted(group))

    for module in graph:
        if module not in order:
            visit(module)
    return groups


def private_imports(imports: Sequence[Import]) -> list[Import]:
    """Return the imports of a module or name with a leading ``_`` from outside its package."""
    return [item for item in imports if _is_private(item)]


def _is_private(item: Import) -> bool:
    parts = item.imported.split(".")
    hidden = next((index for index, part in enumerate(parts) if part.startswith("_")), None)
    if hidden is not None:
        owner = ".".join(parts[:hidden])
    elif item.name.startswith("_") and not item.name.startswith("__"):
        owner = item.imported
    else:
        return False
    # Modules of the owner's package, and of packages within it, may look into it.
    home = owner if hidden is not None else owner.rpartition(".")[0]
    return not (item.importer == home or item.importer.startswith(f"{home}."))


def _executed(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module, without those under ``if TYPE_CHECKING``."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        else:
            pending += ast.iter_child_nodes(node)


def _resolve(
    node: ast.Import | ast.ImportFrom, source: SourceFile, files: Mapping[str, SourceFile]
) -> Iterator[Import]:
    def an_import(imported: str, name: str = "") -> Import:
        return Import(source.path, node.lineno, source.module, imported, name)

    if isinstance(node, ast.Import):
        yield from (an_import(alias.name) for alias in node.names if alias.name in files)
        return
    base = node.module or ""
    if node.level:
        parents = source.package.split(".")
        above = ".".join(parents[: len(parents) - node.level + 1])
        base = f"{above}.{base}" if base else above
    for alias in node.names:
        module = f"{base}.{alias.name}"
        if module in files:
            yield an_import(module)
        elif base in files and base != source.module:
            yield an_import(base, alias.name)
