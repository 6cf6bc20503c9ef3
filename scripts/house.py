"""Measure how the source is built, and print one figure a line beside its goal.

Run ``python scripts/house.py``; ``--details`` also lists circles, private imports, long functions
and files, and undocumented tensor arguments. Source means what users install; tests are apart. The
figures guide and decide nothing; what must hold is tested in ``tests/repo``.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from import_graph import circles, graph_of, private_imports, read_imports
from source_files import ROOT, SourceFile, read_sources

LONG_FUNCTION = 60
LONG_FILE = 450
RUN = 6
"""Lines that two files must share for them to count as twins."""
FEWEST_TOKENS = 36
"""Words and signs that those lines must have together."""
COMMON = 8
"""Most files that may share a run; what is in more of them is an idiom."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

_UNIT = re.compile(
    r"Å|\beV\b|\bK\b|\bfs\b|\bps\b|GPa|kelvin|radian|degree|dimensionless|\bunits?\b", re.IGNORECASE
)
_SHAPE = re.compile(r"\([^()]*,[^()]*\)|``\(\)``|\b(?:any|same) shape\b|\bscalar\b|\b0-d\b")
_TRIVIAL = re.compile(r"[\W_]*|import .*|from .*")
"""Lines that do not count: brackets alone, and imports."""
_TENSOR = re.compile(r"\b(Tensor|NDArray|ndarray)\b")


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    value: str
    goal: str = ""
    details: tuple[str, ...] = ()


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--details", action="store_true", help="list what is behind the figures")
    details = parser.parse_args().details
    figures = list(measure(read_sources()))
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        goal = f"  (goal {figure.goal})" if figure.goal else ""
        print(f"{figure.name:{width}}  {figure.value}{goal}")
        for line in figure.details if details else ():
            print(f"    {line}")
    return 0


def measure(sources: Sequence[SourceFile]) -> Iterator[Figure]:
    """Yield all figures."""
    yield from _sizes(sources)
    yield from _imports(sources)
    yield from _functions(sources)
    comments, constants = _comments(sources)
    yield Figure("comments per 100 lines of code", f"{comments:.1f}", "≥ 4")
    yield Figure("explained constants per 100 lines of code", f"{constants:.1f}")
    yield _tensor_arguments(sources)
    twins = _twins(sources)
    yield Figure(
        f"pairs of files with {RUN} or more lines of one shape", f"{len(twins)}", details=twins
    )


def _sizes(sources: Sequence[SourceFile]) -> Iterator[Figure]:
    def lines(prefix: str, without: str = "\0") -> str:
        chosen = [one for one in sources if one.path.startswith(prefix)]
        return f"{sum(one.lines for one in chosen if not one.path.startswith(without)):,}"

    kit = "matsciml_core/testing/"
    yield Figure(
        "lines of the core, conformance kit apart", lines("matsciml_core/", kit), "≤ 17,000"
    )
    yield Figure("lines of the core", lines("matsciml_core/"), "≤ 22,000", _rooms(sources))
    yield Figure("lines of the command line", lines("matsciml_cli/"))
    yield Figure("lines of the plugins", lines("plugins/"))
    longest = tuple(f"{one.path}: {one.lines} lines" for one in sources if one.lines > LONG_FILE)
    yield Figure(f"files over {LONG_FILE} lines", f"{len(longest)}", "0", longest)


def _rooms(sources: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return lines, and of these lines of code, of each folder of the core."""
    rooms: dict[str, list[SourceFile]] = defaultdict(list)
    for source in sources:
        package, _, path = source.path.partition("/")
        if package == "matsciml_core":
            folders = path.split("/")[:-1]
            rooms["/".join(folders[:2] if folders[:1] == ["data"] else folders[:1])].append(source)
    return tuple(
        f"{name or '(top)'}: {sum(one.lines for one in files):,}, "
        f"of code {sum(len(_shapes(one)) for one in files):,}"
        for name, files in sorted(rooms.items())
    )


def _imports(sources: Sequence[SourceFile]) -> Iterator[Figure]:
    imports = read_imports(sources)
    groups = circles(graph_of(imports, (source.module for source in sources)))
    members = tuple(", ".join(group) for group in groups)
    yield Figure("circles of files that import one another", f"{len(groups)}", "0", members)
    private = tuple(
        f"{item.path}:{item.line}: {item.imported} {item.name}" for item in private_imports(imports)
    )
    yield Figure("imports of what is private to another package", f"{len(private)}", "0", private)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    excepted = tuple(line for one in contracts for line in one.get("ignore_imports", ()))
    yield Figure("exceptions from the contracts of layers", f"{len(excepted)}", "0", excepted)


def _functions(sources: Sequence[SourceFile]) -> Iterator[Figure]:
    total, long, once = 0, [], []
    for source in sources:
        uses = _uses(source.tree)
        for function in _functions_of(source.tree):
            total += 1
            where = f"{source.path}:{function.lineno}: {function.name}"
            if _length(function) > LONG_FUNCTION:
                long.append(f"{where}, {_length(function)} lines")
            private = function.name.startswith("_") and not function.name.startswith("__")
            if private and uses[function.name] == 1:
                once.append(where)
    yield Figure(
        f"functions over {LONG_FUNCTION} lines",
        f"{len(long)} of {total:,}, {100 * len(long) / total:.1f} %",
        "≤ 0.3 %",
        tuple(long),
    )
    yield Figure(
        "private helpers called once", f"{100 * len(once) / total:.1f} %", "≤ 15 %", tuple(once)
    )


def _functions_of(tree: ast.Module) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def _public_functions(parent: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Yield functions and methods that others can call: none within a function or private class."""
    for node in parent.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node)


def _uses(tree: ast.Module) -> Counter[str]:
    """Count how often each name is used in a module, as a name or as an attribute."""
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    attributes = (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return Counter([*names, *attributes])


def _length(function: Function) -> int:
    """Return the number of lines of a function, signature and docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _comments(sources: Sequence[SourceFile]) -> tuple[float, float]:
    """Return comments, and constants with a docstring, per 100 lines of code.

    Marks for tools are no comments. Why a constant has its value stands below it, where the
    documentation finds it, and not in a comment.
    """
    comments, constants, code = 0, 0, 0
    for source in sources:
        comments += sum(
            token.type == tokenize.COMMENT and not re.search("noqa|type: ignore", token.string)
            for token in _tokens(source.text)
        )
        constants += sum(
            isinstance(first, ast.Assign | ast.AnnAssign) and _is_text(second)
            for first, second in pairwise(source.tree.body)
        )
        code += len(_shapes(source))
    return 100 * comments / max(code, 1), 100 * constants / max(code, 1)


def _is_text(node: ast.stmt) -> bool:
    """Return whether a statement is a string alone: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    yield from tokenize.generate_tokens(io.StringIO(text).readline)


def _tensor_arguments(sources: Sequence[SourceFile]) -> Figure:
    """Return how many tensor arguments of public functions have their shape and unit in Args."""
    total, shapes, units, bare = 0, 0, 0, []
    for source in sources:
        for function in _public_functions(source.tree):
            for name, text in _documented_tensors(function):
                total += 1
                has_shape, has_unit = bool(_SHAPE.search(text)), bool(_UNIT.search(text))
                shapes += has_shape
                units += has_unit
                if not (has_shape and has_unit):
                    bare.append(f"{source.path}:{function.lineno}: {function.name}, {name}")
    value = f"{100 * shapes / total:.0f} %, {100 * units / total:.0f} % of {total}"
    return Figure("tensor arguments with shape, with unit", value, "≥ 95 %", tuple(bare))


def _documented_tensors(function: Function) -> Iterator[tuple[str, str]]:
    """Yield name and description of each tensor argument; the description may be empty."""
    text = ast.get_docstring(function) or ""
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    for argument in arguments:
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        if _TENSOR.search(annotation) and "Callable" not in annotation:
            # An entry ends where the next line is indented no deeper than its name.
            entry = rf"^( +){re.escape(argument.arg)}:(.*(?:\n\1 +.*)*)"
            match = re.search(entry, text, re.MULTILINE)
            yield argument.arg, match[2] if match else ""


def _twins(sources: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return the pairs of files that share a run of lines which differ only in names and values."""
    users: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for source in sources:
        shapes = [shape for shape in _shapes(source).values() if not _TRIVIAL.fullmatch(shape)]
        for start in range(len(shapes) - RUN + 1):
            run = tuple(shapes[start : start + RUN])
            # Lists of names and of keyword arguments look alike without repeating anything.
            if sum(len(shape.split()) for shape in run) >= FEWEST_TOKENS:
                users[run].add(source.path)
    pairs = {
        (first, second)
        for paths in users.values()
        if len(paths) <= COMMON
        for first in paths
        for second in paths
        if first < second
    }
    return tuple(f"{first} ~ {second}" for first, second in sorted(pairs))


def _shapes(source: SourceFile) -> dict[int, str]:
    """Return the shape of each line of code by its number: names and values made alike."""
    prose = {
        line
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    words: dict[int, list[str]] = defaultdict(list)
    for token in _tokens(source.text):
        line = token.start[0]
        if line in prose or token.type in _BLANK:
            continue
        for covered in range(line, token.end[0]):
            words[covered].append("0")
        words[token.end[0]].append(_shape(token))
    return {line: " ".join(words[line]) for line in sorted(words)}


_BLANK = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER, tokenize.ENCODING,
)  # fmt: skip
_KEYWORDS = {"def", "class", "if", "else", "elif", "for", "while", "return", "yield", "with", "try",
             "except", "raise", "import", "from", "in", "not", "and", "or", "is", "lambda", "None",
             "True", "False"}  # fmt: skip


def _shape(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return token.string if token.string in _KEYWORDS else "n"
    return "0" if token.type in (tokenize.NUMBER, tokenize.STRING) else token.string


if __name__ == "__main__":
    sys.exit(main())
