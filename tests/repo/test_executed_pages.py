"""Executed pages: their cells are shown as a reader types them, and they are built side by side."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("sphinx", reason="pages are made with Sphinx: pip install -e '.[docs]'")
nodes = import_module("docutils.nodes")


def page_with(source: str):
    """Return a document with a cell of this source and its output, as myst-nb makes them."""
    document = import_module("docutils.utils").new_document("page.md")
    cell = nodes.container("", classes=["cell"])
    before = nodes.container("", classes=["cell_input"])
    before += nodes.literal_block(source, source, language="ipython3")
    after = nodes.container("", classes=["cell_output"])
    after += nodes.literal_block("!printed", "!printed", language="none")
    cell += [before, after]
    document += cell
    return document


def shown(source: str) -> list[tuple[str, str]]:
    """Return text and language of the blocks of a cell, as they are shown."""
    from executed_pages import show_as_typed

    document = page_with(source)
    show_as_typed(None, document)
    blocks = list(document.findall(nodes.literal_block))
    assert all(block.rawsource == block.astext() for block in blocks)
    return [(block.astext(), block["language"]) for block in blocks]


def test_a_command_is_shown_as_in_a_terminal():
    assert shown("!matsciml info mp\n!ls")[0] == ("matsciml info mp\nls", "sh")


def test_output_stays():
    assert shown("!matsciml info mp")[1] == ("!printed", "none")


@pytest.mark.parametrize("source", ["x = 1\nprint(x)", "import os\n!ls", "assert 1 != 2"])
def test_python_stays(source):
    assert shown(source)[0] == (source, "ipython3")


@pytest.mark.parametrize(
    ("line", "caption", "language"),
    [
        ("%%writefile src/one.py", "src/one.py", "python"),
        ("%%writefile -a src/one.py", "src/one.py (append)", "python"),
        ("%%writefile two.yaml", "two.yaml", "yaml"),
    ],
)
def test_a_file_has_its_name_above_it(line, caption, language):
    from executed_pages import show_as_typed

    document = page_with(f"{line}\na: 1")
    show_as_typed(None, document)
    (above,) = document.findall(nodes.caption)
    assert above.astext() == caption
    assert above.parent["ids"]
    (block,) = document.findall(nodes.literal_block)  # and no output, which says "Writing"
    assert (block.astext(), block["language"]) == ("a: 1", language)


PAGES = sorted((ROOT / "docs").glob("*/*.md"))
CELL = re.compile(
    r"^```\{code-cell\}\n(:tags: \[remove-cell\]\n)?(.*?)^```", re.MULTILINE | re.DOTALL
)


def cells_of(page: Path) -> Iterator[tuple[bool, str]]:
    """Yield whether a cell is shown, and its source."""
    for match in CELL.finditer(page.read_text("utf-8")):
        yield not match[1], match[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_helpers_of_the_build_are_hidden(page):
    """A reader can't know what ``shell`` is."""
    for is_shown, source in cells_of(page):
        assert not (is_shown and re.search(r"shell\.|tutorial_shell", source)), source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_sees_where_each_name_comes_from(page):
    """Whoever types what is shown, and nothing else, gets no NameError."""
    known = set(dir(builtins))
    for is_shown, source in cells_of(page):
        if is_shown and not source.startswith("%%"):
            made, used = names_in(source)
            assert used <= known | made, f"hidden: {used - known - made}"
            known |= made


def test_executed_pages_are_spread_over_the_processes(tmp_path):
    from executed_pages import spread

    class Environment:
        def doc2path(self, name: str) -> Path:
            return tmp_path / f"{name}.md"

    names = [f"{letter}{number}" for letter in "ab" for number in range(6)] + ["c"]
    for name in names:
        head = "---\nfile_format: mystnb\n---\n" if name[0] == "a" else ""
        (tmp_path / f"{name}.md").write_text(f"{head}# Page\n")
    order = list(names)
    spread(None, Environment(), order)
    assert sorted(order) == sorted(names)
    first, second = order[:6], order[6:]
    assert [sum(name[0] == "a" for name in half) for half in (first, second)] == [3, 3]


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell makes, and those that it uses."""
    lines = source.splitlines()
    python = [line for line in lines if not line.startswith(("!", ":tags:"))]
    made: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(ast.parse("\n".join(python))):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.alias):
            made.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            made.add(node.name or "")
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    return made, used
