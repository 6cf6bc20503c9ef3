"""Which of our modules may import which, imports within functions included."""

from __future__ import annotations

import pytest
from import_graph import Import, circles, graph_of, private_imports, read_imports
from source_files import SourceFile, read_sources

TOOLS_OF_COMMANDS = {
    f"matsciml_cli.{name}"
    for name in (
        "option_records",
        "options",
        "console",
        "progress_bars",
        "outputs",
        "state",
        "threads",
        "failures",
        "run_options",
        "structure_options",
        "weights_options",
    )
}
"""What commands of plugins may use of the command line."""


@pytest.fixture(scope="module")
def sources() -> list[SourceFile]:
    return read_sources()


@pytest.fixture(scope="module")
def imports(sources: list[SourceFile]) -> list[Import]:
    return read_imports(sources)


def test_there_are_imports(imports):
    assert len(imports) > 1000


def test_no_files_import_each_other(sources, imports):
    found = circles(graph_of(imports, (source.module for source in sources)))
    assert not found, "move what both need to a module below them"


def test_nothing_private_is_imported_from_another_package(imports):
    found = [f"{item.path}:{item.line}: {item.imported}" for item in private_imports(imports)]
    assert not found, "what another package needs is public: drop its underscore"


def test_plugins_use_of_the_command_line_what_is_made_for_them(imports):
    found = {
        f"{item.path}:{item.line}: {item.imported}"
        for item in imports
        if item.path.startswith("plugins/")
        and item.imported.startswith("matsciml_cli")
        and item.imported not in TOOLS_OF_COMMANDS
    }
    assert not found


def read(**texts: str) -> list[Import]:
    """Return the imports of modules written here; ``__`` stands for a dot."""
    sources = [SourceFile(f"{name.replace('__', '/')}.py", text) for name, text in texts.items()]
    return read_imports(sources)


def pairs(imports: list[Import]) -> list[tuple[str, str, str]]:
    return [(item.importer, item.imported, item.name) for item in imports]


class TestReading:
    def test_modules_and_what_is_taken_from_them(self):
        imports = read(a="import b\nfrom b import thing\nfrom p import c\n", b="", p__c="")
        assert pairs(imports) == [("a", "b", ""), ("a", "b", "thing"), ("a", "p.c", "")]

    def test_within_functions_but_not_for_type_checkers(self):
        text = (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import b\nelse:\n    import c\n"
            "def f():\n    import d\n"
        )
        found = read(a=text, b="", c="", d="")
        assert pairs(found) == [("a", "c", ""), ("a", "d", "")]

    def test_relative_ones(self):
        found = read(p__q__a="from . import b\nfrom ..c import x\n", p__q__b="", p__c="")
        assert pairs(found) == [("p.q.a", "p.q.b", ""), ("p.q.a", "p.c", "x")]

    def test_strangers_are_left_out(self):
        assert read(a="import os\nfrom numpy import array\n") == []


class TestCircles:
    def test_a_circle_of_three(self):
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}
        assert circles(graph) == [["a", "b", "c"]]

    def test_none(self):
        assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []

    def test_two(self):
        graph = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}
        assert sorted(circles(graph)) == [["a", "b"], ["c", "d"]]


class TestPrivate:
    @pytest.mark.parametrize(
        ("importer", "statement", "is_private"),
        [
            ("p__a", "from p import _b", False),
            ("p__a", "from p._b import x", False),
            ("p__r__a", "from p._b import x", False),
            ("q__a", "from p._b import x", True),
            ("p__r__a", "from p.s._c import x", True),
            ("p__a", "from p.d import _x", False),
            ("q__a", "from p.d import _x", True),
            ("q__a", "from p.d import __version__", False),
            ("q__a", "from p.d import x", False),
        ],
    )
    def test_what_counts(self, importer, statement, is_private):
        found = private_imports(
            read(**{importer: statement, "p___b": "", "p__d": "", "p__s___c": ""})
        )
        assert bool(found) is is_private
