"""The script that tests plugins alone: what it installs, and what it says of failures."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Return the script, with a folder of plugins of its own."""
    spec = spec_from_file_location("run_alone", ROOT / ".ci" / "test_alone.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_alone", module)  # where dataclasses look for annotations
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PLUGINS", tmp_path)
    for name, requirements in {
        "matsciml-data-mine": ["numpy>=1.26", "matsciml-util-files>=0.1,<0.2", "matsciml>=0.1"],
        "matsciml-util-files": ["matsciml>=0.1,<0.2"],
    }.items():
        (tmp_path / name).mkdir()
        text = f'[project]\nname = "{name}"\ndependencies = {requirements}\n'
        (tmp_path / name / "pyproject.toml").write_text(text)
    return module


def test_all_folders_with_a_project_are_plugins(alone, tmp_path):
    (tmp_path / "notes").mkdir()
    assert list(alone.all_plugins()) == ["matsciml-data-mine", "matsciml-util-files"]


@pytest.mark.parametrize("name", ["data-mine", "matsciml-data-mine"])
def test_names_may_be_short(alone, name):
    assert alone.find_plugin(name) == "matsciml-data-mine"


def test_an_unknown_name_is_an_error(alone):
    with pytest.raises(SystemExit, match="no plugin 'data-theirs'"):
        alone.find_plugin("data-theirs")


def test_libraries_of_the_repository_come_with_a_plugin(alone, tmp_path):
    paths = alone.needed_plugins("matsciml-data-mine")
    assert paths == [str(tmp_path / "matsciml-util-files"), str(tmp_path / "matsciml-data-mine")]


def test_what_its_tests_need_comes_with_a_plugin(alone, tmp_path):
    project = tmp_path / "matsciml-util-files" / "pyproject.toml"
    text = project.read_text() + '[project.optional-dependencies]\ntest = ["ase>=3.23"]\n'
    project.write_text(text)
    assert alone.needed_plugins("matsciml-util-files") == [f"{project.parent}[test]"]
    assert alone.needed_plugins("matsciml-data-mine")[0] == str(project.parent)


def test_nothing_of_this_process_can_be_imported(alone, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("VIRTUAL_ENV", "somewhere")
    variables = alone.clean_environment()
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & variables.keys()
    assert variables["PATH"] == os.environ["PATH"]


def test_a_plugin_that_cannot_be_installed_fails_with_its_reason(alone, monkeypatch, tmp_path):
    def fail(environment, *arguments):
        raise subprocess.CalledProcessError(1, "pip", "Collecting\nERROR: No such thing\n\n")

    base = tmp_path / "base" / "lib" / "python3" / "site-packages"
    base.mkdir(parents=True)
    monkeypatch.setattr(alone, "pip", fail)
    outcome = alone.check_plugin("matsciml-util-files", tmp_path / "base", tmp_path / "venvs")
    assert not outcome.passed
    assert "could not be installed: ERROR: No such thing" in alone.describe(outcome)
    assert not (tmp_path / "venvs" / "matsciml-util-files").exists()
