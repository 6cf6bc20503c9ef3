"""Distributions named by where they lie."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from matsciml_core.errors import ConfigError
from matsciml_tool_env.sources import Source, check_extras, requirement_or_source

PROJECT = """
[project]
name = "matsciml-mine"
version = "1.0"
dependencies = ["matsciml-util-pages>=0.1", "colorama>0.1; sys_platform == 'none'"]
[project.optional-dependencies]
fast = ["numba>=0.60; python_version > '3'"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of a plugin below the working directory, with brackets in its path."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a [1]" / "mine"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    return folder


def test_a_folder_with_extras(folder):
    plain = requirement_or_source("./a [1]/mine")
    assert plain == Source(str(folder))
    assert list(map(str, plain.requirements())) == ["matsciml-util-pages>=0.1"]
    fast = requirement_or_source("./a [1]/mine[fast]")
    assert str(fast) == f"{folder}[fast]"
    assert list(map(str, fast.requirements())) == ["matsciml-util-pages>=0.1", "numba>=0.60"]


def test_the_folder_one_is_in(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert requirement_or_source(".") == Source(str(folder))
    assert requirement_or_source(".[fast]") == Source(str(folder), ("fast",))


def test_a_wheel_with_extras(tmp_path, write_wheel):
    lines = ["matsciml>=0.1", 'numba; extra == "fast"\nProvides-Extra: fast']
    wheel = write_wheel(tmp_path, "matsciml-mine", requires=lines)
    assert list(map(str, Source(str(wheel)).requirements())) == ["matsciml>=0.1"]
    found = requirement_or_source(f"{wheel}[fast]").requirements()
    assert list(map(str, found)) == ["matsciml>=0.1", "numba"]


def test_names_are_names(folder):
    for text in ("mine", "mine[fast]<2", "mine @ https://host/mine.whl"):
        assert isinstance(requirement_or_source(text), Requirement)


@pytest.mark.parametrize("text", ["dynamic = ['dependencies']", "name = [", "dependencies = 3"])
def test_what_only_its_builder_can_read_is_left_to_the_installer(folder, text):
    (folder / "pyproject.toml").write_text(f"[project]\n{text}\n")
    assert Source(str(folder), ("fast",)).requirements() == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is neither a requirement"),
        ("two words", "is neither a requirement"),
        ("https://host/mine.whl", "'mine @ https://host/mine.whl'"),
        ("./theirs", "There is no './theirs'"),
        ("mine.whl", "There is no 'mine.whl'"),
        ("./a [1]", "neither a folder with a pyproject.toml nor a wheel"),
        ("./a [1]/mine/pyproject.toml", "neither a folder with a pyproject.toml nor a wheel"),
    ],
)
def test_mistakes(folder, text, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        requirement_or_source(text)


def test_extras_that_do_not_exist(folder):
    with pytest.raises(ConfigError, match=r"asks for the extra 'slow', but it has fast\."):
        Source(str(folder), ("slow",)).requirements()
    with pytest.raises(ConfigError, match="but it has none"):
        check_extras("mine[slow]", ["slow"], [])
    check_extras("mine[Fast_er]", ["Fast_er"], ["fast-er"])
