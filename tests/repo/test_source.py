"""What source code may not do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from matsciml_core.registry.known_plugins import known_components
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.targets import TargetKind
from matsciml_tool_report.hooks import ReportSectionSpec
from matsciml_util_pages.folder_pages import FolderPageSpec

WORDS = {
    "single", "additive", "regression", "descriptors", "trees", "boosting", "ridge", "probe",
    *(one.name for one in known_components("command")),
}  # fmt: skip
"""Names that are English words too: only a string that is nothing else names the plugin."""
PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
BY_NAME = {
    "MontyDecoder", "loadfn", "read_pickle", "read_hdf", "load_from_checkpoint", "torch.jit.load",
    "torch.hub.load", "runpy.run_path", "runpy.run_module", "__import__", "unpack_archive",
    "extractall", "extract",
}  # fmt: skip
"""Calls that import or run what a file names, or write files where it says. pymatgen's own
``from_dict`` and ``as_dict`` forms are read field by field instead."""
ROUND_TRIP = "matsciml_core/testing/"
"""The conformance kit pickles a component and reads it back within one expression."""
WRITERS = {
    "plugins/matsciml-reader-toolkit/src/matsciml_reader_toolkit/samples.py",
    "plugins/matsciml-tool-export/src/matsciml_tool_export/mliap.py",
}
"""Write pickles and read none: those that the reader of the toolkit's files is checked on, and the
one form of a model that ML-IAP of LAMMPS loads."""
CODE_TEMPLATES = {"matsciml_cli/commands/new.py"}
"""Fill in templates of Python, in which escapes would be errors."""
FIXTURES = re.compile(r"matsciml_cli/testing\.py|plugins/.*/testing/.*")
"""Hold fixtures of tests, in which assert statements say what went wrong."""
INDEX = "matsciml_core/registry/known_plugins.json"
"""The one file of the core that names plugins."""


@pytest.fixture(scope="module")
def trees(sources: dict[str, str]) -> dict[str, ast.Module]:
    return {path: ast.parse(text) for path, text in sources.items()}


@pytest.fixture(scope="module")
def names(plugins) -> set[str]:
    registry = build_registry(only=[plugin.name for plugin in plugins])
    # Sections of a report are called like their headings: data, model, cost. Readers are called
    # like their formats: csv, json, cif. Checks are called like what they look at: environments.
    # Pages about folders are called like what they show: comparison.
    worldly = (ReportSectionSpec.kind, FolderPageSpec.kind, "reader", "check")
    names = {spec.name for spec, _ in registry.components() if spec.kind not in worldly}
    return names - set(get_args(TargetKind))  # a head may be called like the labels it trains


def test_there_are_sources(sources):
    assert len(sources) > 40


def test_nothing_is_unpickled(trees):
    """Other toolkits' pickles are read by an interpreter of our own, which needs none of these."""
    users = {
        path
        for path, tree in trees.items()
        if PICKLERS & set(imports(tree)) and not path.startswith(ROUND_TRIP)
    }
    assert users == WRITERS


@pytest.mark.parametrize("path", sorted(WRITERS))
def test_who_writes_pickles_reads_none(trees, path):
    used = {ast.unparse(call.func) for call in calls(trees[path])}
    assert {name for name in used if name.startswith("pickle.")} == {"pickle.dumps"}


def test_the_conformance_kit_unpickles_only_what_it_pickled(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            if ast.unparse(call.func) in ("pickle.loads", "pickle.load"):
                text = ast.unparse(call)
                made_here = "pickle.dumps(" in text or text == "pickle.loads(data)"
                assert path.startswith(ROUND_TRIP)
                assert made_here, f"{path}: {text}"


def test_torch_loads_weights_only(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            if ast.unparse(call.func) == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert given.get("weights_only") == "True", path


def test_numpy_loads_no_objects(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            assert "allow_pickle=True" not in ast.unparse(call), path


def test_no_text_is_executed(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            assert ast.unparse(call.func) not in ("eval", "exec", "os.system", "compile"), path


def test_no_file_says_what_to_import_or_where_to_write(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            name = ast.unparse(call.func)
            assert name not in BY_NAME, f"{path}: {name}"
            assert name.rpartition(".")[2] not in BY_NAME, f"{path}: {name}"


def test_structures_of_a_file_are_not_built_by_their_own_class_names(trees):
    """``Structure.from_dict`` decodes the properties of sites by the classes that they name."""
    for path, tree in trees.items():
        for call in calls(tree):
            assert not ast.unparse(call.func).endswith("Structure.from_dict"), path


def test_no_command_goes_through_a_shell(trees):
    for path, tree in trees.items():
        for call in calls(tree):
            for word in call.keywords:
                assert word.arg != "shell" or ast.unparse(word.value) == "False", path


def test_pages_escape_what_they_show(trees):
    """Ids and names in a report come from files of strangers."""
    found = [
        {word.arg: ast.unparse(word.value) for word in call.keywords}
        for path, tree in trees.items()
        if path not in CODE_TEMPLATES
        for call in calls(tree)
        if ast.unparse(call.func) in ("Environment", "jinja2.Environment")
    ]
    assert found
    assert all(given.get("autoescape") == "True" for given in found)


def test_yaml_is_read_safely(trees):
    unsafe = ("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load")
    for path, tree in trees.items():
        for call in calls(tree):
            assert ast.unparse(call.func) not in unsafe, path


def test_no_check_is_an_assert_statement(trees):
    for path, tree in trees.items():
        if not FIXTURES.fullmatch(path):
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], path


def test_the_other_toolkits_import_name_is_not_used(trees):
    for path, tree in trees.items():
        assert "matsciml" not in imports(tree), path


def test_no_number_that_rounds_to_zero_has_a_sign(trees):
    """Two decimals and more are of energies, stresses and the like, which may be below zero."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
                spec = ast.unparse(node.format_spec)[2:-1]
                assert signs_no_zero(spec), f"{path}: write {{{ast.unparse(node.value)}:z{spec}}}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (".4f", False),
        ("+16.10f", False),
        ("z.4f", True),
        ("+z,.12f", True),
        (".1f", True),
        ("g", True),
    ],
)
def test_a_format_that_signs_zero_is_recognised(spec, expected):
    assert signs_no_zero(spec) is expected


def signs_no_zero(spec: str) -> bool:
    """Return whether a format of fixed point has the option that drops the sign of zero."""
    return "z" in spec or re.search(r"\.([2-9]|\d\d)f$", spec) is None


def test_the_core_names_no_plugin(trees, names):
    found = {
        f"{path}: {text!r}"
        for path, tree in trees.items()
        if path.startswith(("matsciml_core/", "matsciml_cli/"))
        for text in strings(tree)
        for name in names
        if is_named(name, text)
    }
    assert not found


def test_the_core_names_no_distribution_of_a_plugin(trees, plugins):
    names = {name for plugin in plugins for name in (plugin.name, plugin.module)}
    found = {
        f"{path}: {text!r}"
        for path, tree in trees.items()
        if path.startswith(("matsciml_core/", "matsciml_cli/"))
        for text in strings(tree)
        if names & set(re.findall(r"[\w-]+", text))
    }
    assert not found


def test_no_data_of_the_core_names_a_plugin(own_text, names):
    found = {
        f"{path}: {word}"
        for path, text in own_text.items()
        if path.startswith(("matsciml_core/", "matsciml_cli/"))
        and path.endswith((".json", ".yaml", ".toml"))
        and path != INDEX
        for word in re.findall(r"[\w+.-]+", text)
        if word in names
    }
    assert not found


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("megnet", "--encoder megnet", True),
        ("megnet", "megnets", False),
        ("mp", "temp", False),
        ("mp", "dataset mp.", True),
        ("single", "a single task", False),
        ("single", "single", True),
    ],
)
def test_a_name_is_recognised(name, text, expected):
    assert is_named(name, text) is expected


def is_named(name: str, text: str) -> bool:
    """Return whether a string names a plugin."""
    if name in WORDS:
        return text.strip() == name
    padded = "".join(one if one.isalnum() or one in "-_" else " " for one in text)
    return name in padded.split()


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level packages that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield all calls of a module."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def strings(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that are not documentation."""
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value
