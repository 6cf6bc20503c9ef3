"""Fixtures for the tests that read the repository itself."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# The extensions of the documentation build, and the scripts, are modules without a package.
sys.path += [str(ROOT / "docs" / "_ext"), str(ROOT / "scripts")]


@dataclass(frozen=True)
class PluginProject:
    """One folder of ``plugins/``."""

    folder: Path

    @property
    def name(self) -> str:
        """Name of the folder, which is that of the distribution."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """The second word of the name, for example ``model``."""
        return self.name.split("-")[1]

    @property
    def module(self) -> str:
        """Name of the import package."""
        return self.name.replace("-", "_")

    @property
    def package(self) -> Path:
        """Folder of the import package."""
        return self.folder / "src" / self.module

    @property
    def pyproject(self) -> dict[str, Any]:
        """What ``pyproject.toml`` says."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text("utf-8"))


PLUGINS = [PluginProject(path) for path in sorted((ROOT / "plugins").iterdir()) if path.is_dir()]
SUBJECTS: dict[str, Callable[[PluginProject], bool]] = {
    "plugin": lambda project: True,
    "registered": lambda project: project.kind != "util",
    "component": lambda project: project.kind not in ("tool", "util"),
    "tool": lambda project: project.kind == "tool",
    "library": lambda project: project.kind == "util",
}
"""Argument of a test → the folders of ``plugins/`` for each of which the test runs."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes one of ``SUBJECTS`` once for each folder that it stands for."""
    for argument, chosen in SUBJECTS.items():
        if argument in metafunc.fixturenames:
            projects = [project for project in PLUGINS if chosen(project)]
            metafunc.parametrize(argument, projects, ids=lambda project: project.name)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def plugins() -> list[PluginProject]:
    """All folders of ``plugins/``."""
    return PLUGINS


@pytest.fixture(scope="session")
def own_text(root: Path) -> dict[str, str]:
    """Text of every file that is, or is about to be, under version control, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"not a git repository: {listed.stderr.strip()}")
    texts = {}
    for path in listed.stdout.splitlines():
        try:
            texts[path] = (root / path).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a binary file, or one that was just deleted
    return texts


@pytest.fixture(scope="session")
def sources(own_text: dict[str, str]) -> dict[str, str]:
    """Text of the Python files that users install, by their path."""
    return {
        path: text
        for path, text in own_text.items()
        if path.endswith(".py")
        and (path.startswith(("matsciml_core/", "matsciml_cli/")) or "/src/" in path)
    }


@pytest.fixture(scope="session")
def plugins_page() -> str:
    """The reference of all plugins; making it takes a second."""
    from plugin_reference import plugins_markdown

    return plugins_markdown()


@pytest.fixture(scope="session")
def datasets_page() -> str:
    """The reference of all datasets."""
    from dataset_reference import datasets_markdown

    return datasets_markdown()


@pytest.fixture(scope="session")
def command_pages() -> dict[str, str]:
    """The page of each command; making them renders every help."""
    from command_line_reference import command_pages

    return command_pages()
