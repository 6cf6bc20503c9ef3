"""Every folder of ``plugins/`` has the same shape."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from matsciml_core.registry.manager import build_registry

KINDS = {
    "data": "dataset",
    "model": "encoder",
    "head": "task-head",
    "strategy": "strategy",
    "reader": "reader",
}
"""Second word of the name of a distribution that offers components → their kind."""
OTHERS = ("tool", "util")
"""The same of distributions that offer commands, and of libraries that others require."""
LONGEST_PLUGIN_MODULE = 40
SHOWN = (*KINDS.values(), "command", "logger", "pretrained")
"""Kinds whose names users type, so that the table of the README has them."""
LIGHT = {"__future__", "collections", "importlib", "pathlib", "typing"}
"""What modules may import that every command imports."""
RANGE = r">=\d+\.\d+,<\d+(\.\d+)?"


def test_there_are_plugins(plugins):
    assert plugins


def test_the_name_says_the_kind(plugin):
    match = re.fullmatch(r"matsciml-([a-z]+)-([a-z0-9-]+)", plugin.name)
    assert match
    assert match[1] in (*KINDS, *OTHERS)


def test_the_distribution_is_called_like_its_folder(plugin):
    assert plugin.pyproject["project"]["name"] == plugin.name


def test_the_entry_point_names_the_plugin_module(registered):
    entry_points = registered.pyproject["project"]["entry-points"]
    name = registered.name.split("-", 2)[2]
    assert entry_points == {"matsciml.plugins": {name: f"{registered.module}.plugin"}}


def test_a_library_registers_nothing(library):
    assert "entry-points" not in library.pyproject["project"]
    assert not (library.package / "plugin.py").exists()


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
    (core,) = [line for line in requirements if re.match(r"matsciml\b(?!-)", line)]
    assert re.fullmatch(f"matsciml{RANGE}", core)


def test_a_plugin_requires_no_other_plugin_but_libraries(plugin):
    requirements = plugin.pyproject["project"]["dependencies"]
    for line in requirements:
        if line.startswith("matsciml-"):
            assert re.fullmatch(f"matsciml-util-[a-z-]+{RANGE}", line), line


def test_the_package_has_its_version_and_of_a_tool_its_public_names(plugin):
    tree = ast.parse((plugin.package / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assignments = {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert "__version__" in assignments
    if plugin.kind == "tool" and "__all__" in assignments:
        # Looked up when they are used: every command imports the package of every plugin.
        assert "__getattr__" in {node.name for node in tree.body if hasattr(node, "name")}
    else:
        assert len(tree.body) == 2


def test_the_plugin_module_is_short(registered):
    lines = (registered.package / "plugin.py").read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_PLUGIN_MODULE


def test_the_plugin_module_is_light(registered):
    tree = ast.parse((registered.package / "plugin.py").read_text("utf-8"))
    packages = {name.partition(".")[0] for name in imported_modules(tree)}
    assert packages <= {"matsciml_core", registered.module, *LIGHT}


def test_modules_import_no_other_plugin(plugin):
    requirements = plugin.pyproject["project"]["dependencies"]
    allowed = {"matsciml_core", plugin.module}
    allowed |= {
        re.split(r"[^\w-]", line)[0].replace("-", "_")
        for line in requirements
        if line.startswith("matsciml-util-")
    }
    if plugin.kind != "util":
        allowed.add("matsciml_cli")  # of which the next test says more
    for file in plugin.package.rglob("*.py"):
        packages = {name.partition(".")[0] for name in modules_in(file)}
        assert {name for name in packages if name.startswith("matsciml")} <= allowed, file.name


def test_only_modules_of_commands_import_the_command_line_and_of_it_what_is_public(registered):
    commands = {name.partition(":")[0] for name in class_paths(registered)}
    for file in registered.package.rglob("*.py"):
        modules = {name for name in modules_in(file) if name.startswith("matsciml_cli")}
        module = ".".join(file.relative_to(registered.package.parent).with_suffix("").parts)
        # What several commands share lies beside them, in the room called ``commands``.
        if module not in commands and file.parent != registered.package / "commands":
            assert not modules, file.name
        assert not {name for name in modules if "._" in name or ".commands" in name}, file.name


def test_modules_of_a_library_are_public(library):
    assert not list(library.package.rglob("_[!_]*.py"))


def test_no_private_module_of_another_package_is_imported(plugin):
    for file in plugin.package.rglob("*.py"):
        foreign = {name for name in modules_in(file) if not name.startswith(plugin.module)}
        assert not {name for name in foreign if re.match(r"matsciml\w*\..*\b_[a-z]", name)}, (
            file.name
        )


def test_there_is_a_readme_that_says_how_to_use_it(plugin):
    text = (plugin.folder / "README.md").read_text("utf-8")
    assert text.startswith(f"# {plugin.name}\n")
    assert len(text.split()) > 30
    assert "matsciml " in text


def test_the_readme_has_a_row(plugin, root: Path):
    rows = [line for line in (root / "README.md").read_text("utf-8").splitlines() if "|" in line]
    assert [row for row in rows if f"`{plugin.name}`" in row]


def test_there_is_a_contract_test(component):
    contract = "".join(word.capitalize() for word in KINDS[component.kind].split("-")) + "Contract"
    assert re.search(rf"class Test\w*\(.*\b{contract}\b.*\)", text_of_tests(component)), (
        f"no test has {contract}"
    )


def test_every_command_is_tested(tool):
    tests = text_of_tests(tool)
    names = command_names(tool)
    loggers = build_registry(only=[tool.name]).specs("logger")
    assert names or loggers, "a tool offers commands, or a logger"
    for name in names:
        assert re.search(rf"[(\[]\s*\"{name}\"", tests), f"no test runs '{name}'"


def test_a_library_has_tests(library):
    assert "def test_" in text_of_tests(library)


def test_it_is_installed_by_make(plugin, root: Path):
    assert "--requirement plugins/editable.txt" in (root / "Makefile").read_text("utf-8")
    listed = (root / "plugins" / "editable.txt").read_text("utf-8").splitlines()
    folders = [line.partition("[")[0] for line in listed]  # without extras
    assert f"--editable ./plugins/{plugin.name}" in folders


def test_what_it_offers_is_in_the_readme_table(registered, root: Path):
    registry = build_registry(strict=True, only=[registered.name])
    names = [spec.name for spec, _ in registry.components() if spec.kind in SHOWN]
    if not names:
        pytest.fail(f"{registered.name} is not installed, or offers nothing")
    rows = (root / "README.md").read_text("utf-8").splitlines()
    (row,) = [line for line in rows if f"`{registered.name}`" in line and line.startswith("|")]
    for name in names:
        assert f"`{name}`" in row


def test_it_is_in_the_reference(registered, plugins_page):
    assert f"## `{registered.name}`" in plugins_page


def test_every_module_of_a_library_is_in_the_reference(library, root: Path):
    pages = (root / "docs" / "reference").glob("*.md")
    documented = set(
        re.findall(
            r"^\.\. automodule:: (\S+)$",
            "\n".join(page.read_text("utf-8") for page in pages),
            re.MULTILINE,
        )
    )
    for file in library.package.rglob("*.py"):
        name = ".".join(file.relative_to(library.package.parent).with_suffix("").parts)
        if file.name != "__init__.py":
            assert name in documented, f"no page of docs/reference has {name}"


def command_names(tool) -> list[str]:
    """Return the names of the commands that a tool offers."""
    return [spec.name for spec, _ in build_registry(only=[tool.name]).components("command")]


def class_paths(plugin) -> list[str]:
    """Return where the functions of a plugin's commands are, as ``module:function``."""
    return [spec.class_path for spec, _ in build_registry(only=[plugin.name]).components("command")]


def text_of_tests(plugin) -> str:
    """Return all test modules of a plugin as one text."""
    return "\n".join(file.read_text("utf-8") for file in plugin.folder.glob("tests/**/test_*.py"))


def modules_in(file: Path) -> set[str]:
    """Return the modules that a file imports, wherever it does so."""
    return imported_modules(ast.parse(file.read_text("utf-8")))


def imported_modules(tree: ast.Module) -> set[str]:
    """Return what a module imports, wherever it does so, as ``module.name``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names
