"""Every folder of ``plugins/`` has the same shape."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from matsciml_core.registry.manager import build_registry

KINDS = {"data": "dataset", "model": "encoder", "head": "task-head", "strategy": "strategy"}
LONGEST_PLUGIN_MODULE = 40


def test_there_are_plugins(plugins):
    assert plugins


def test_the_name_says_the_kind(plugin):
    match = re.fullmatch(r"matsciml-([a-z]+)-([a-z0-9-]+)", plugin.name)
    assert match
    assert match[1] in KINDS


def test_the_distribution_is_called_like_its_folder(plugin):
    assert plugin.pyproject["project"]["name"] == plugin.name


def test_the_entry_point_names_the_plugin_module(plugin):
    entry_points = plugin.pyproject["project"]["entry-points"]
    name = plugin.name.split("-", 2)[2]
    assert entry_points == {"matsciml.plugins": {name: f"{plugin.module}.plugin"}}


def test_the_project_is_in_house_layout(plugin):
    data = plugin.pyproject
    project = data["project"]
    assert data["build-system"]["build-backend"] == "hatchling.build"
    assert project["dynamic"] == ["version"]
    assert project["requires-python"] == ">=3.11"
    assert project["readme"] == "README.md"
    assert project["license"]
    assert data["tool"] == {
        "hatch": {
            "version": {"path": f"src/{plugin.module}/__init__.py"},
            "build": {"targets": {"wheel": {"packages": [f"src/{plugin.module}"]}}},
        }
    }, "the settings of tools live in the root's pyproject.toml"


def test_the_range_of_the_core_is_bounded_on_both_sides(plugin):
    requirements = plugin.pyproject["project"]["dependencies"]
    (core,) = [one for one in requirements if re.match(r"matsciml\b(?!-)", one)]
    assert re.fullmatch(r"matsciml>=\d+\.\d+,<\d+(\.\d+)?", core)


def test_a_plugin_requires_no_other_plugin(plugin):
    requirements = plugin.pyproject["project"]["dependencies"]
    assert not [one for one in requirements if one.startswith("matsciml-")]


def test_the_package_is_empty_but_for_its_version(plugin):
    tree = ast.parse((plugin.package / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    assert [node.targets[0].id for node in assignments] == ["__version__"]
    assert len(tree.body) == 2


def test_the_plugin_module_is_short(plugin):
    lines = (plugin.package / "plugin.py").read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_PLUGIN_MODULE


def test_the_plugin_module_is_light(plugin):
    with_spec = {"matsciml_core", plugin.module, "collections", "__future__", "typing"}
    tree = ast.parse((plugin.package / "plugin.py").read_text("utf-8"))
    assert imported_packages(tree) <= with_spec


def test_modules_import_no_other_plugin_and_not_the_command_line(plugin):
    for file in plugin.package.rglob("*.py"):
        packages = imported_packages(ast.parse(file.read_text("utf-8")))
        foreign = {one for one in packages if one.startswith("matsciml")}
        assert foreign <= {"matsciml_core", plugin.module}, file.name


def test_there_is_a_readme_that_says_how_to_use_it(plugin):
    text = (plugin.folder / "README.md").read_text("utf-8")
    assert text.startswith(f"# {plugin.name}\n")
    assert len(text.split()) > 30
    assert "matsciml " in text


def test_the_readme_has_a_row(plugin, root: Path):
    rows = [line for line in (root / "README.md").read_text("utf-8").splitlines() if "|" in line]
    assert [row for row in rows if f"`{plugin.name}`" in row]


def test_there_is_a_contract_test(plugin):
    tests = "\n".join(file.read_text("utf-8") for file in plugin.folder.glob("tests/test_*.py"))
    kind = KINDS[plugin.name.split("-")[1]]
    contract = "".join(word.capitalize() for word in kind.split("-")) + "Contract"
    assert re.search(rf"class Test\w*\(.*\b{contract}\b.*\)", tests), f"no test has {contract}"


def test_it_is_installed_by_make(plugin, root: Path):
    assert "--requirement plugins/editable.txt" in (root / "Makefile").read_text("utf-8")
    listed = (root / "plugins" / "editable.txt").read_text("utf-8").splitlines()
    assert f"--editable ./plugins/{plugin.name}" in listed


def test_what_it_offers_is_in_the_readme_table(plugin, root: Path):
    registry = build_registry(strict=True, only=[plugin.name])
    names = [spec.name for spec, _ in registry.offers()]
    if not names:
        pytest.fail(f"{plugin.name} is not installed, or offers nothing")
    rows = (root / "README.md").read_text("utf-8").splitlines()
    (row,) = [line for line in rows if f"`{plugin.name}`" in line and line.startswith("|")]
    for name in names:
        assert f"`{name}`" in row


def test_it_is_in_the_reference(plugin):
    from plugin_reference import plugins_markdown

    page = plugins_markdown()
    assert f"## `{plugin.name}`" in page


def imported_packages(tree: ast.Module) -> set[str]:
    """Return the top-level packages that a module imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names
