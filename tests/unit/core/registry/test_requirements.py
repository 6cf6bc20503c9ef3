"""Comparing requirements with what is installed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from matsciml_core.registry.installed import InstalledVersions
from matsciml_core.registry.requirements import applicable, unmet


@pytest.fixture
def installed(plugin_folder: Any) -> InstalledVersions:
    for name, version in {
        "one": "1.4.2",
        "Two.Parts": "2.0",
        "dev": "3.0.dev1",
        "local": "2.13.0+cpu",
        "odd": "2019a-unparsable!",
    }.items():
        plugin_folder.add_metadata(name, None, version=version)
    return InstalledVersions(plugin_folder.search)


@pytest.mark.parametrize(
    "requirement",
    [
        "one",
        "one>=1.4,<2",
        "ONE~=1.4",
        "two_parts==2.0",
        "two-parts[extra]>=2",
        "dev>=2.9",
        "local>=2.6",
        "local==2.13.0",
        "missing; python_version<'3'",
        "missing>=1; extra=='docs'",
        "one @ https://example.org/one.whl",
        "odd>=5",
    ],
)
def test_met(installed: InstalledVersions, requirement: str) -> None:
    assert unmet([requirement], installed) == ()


@pytest.mark.parametrize(
    ("requirement", "reason", "fix"),
    [
        (
            "missing>=1",
            "needs missing>=1, which is not installed",
            "pip install 'missing>=1'",
        ),
        (
            "missing; python_version>'3'",
            "needs missing, which is not installed",
            "pip install 'missing'",
        ),
        (
            "missing[a, b] ==0.18.*, >0",
            "needs missing[a,b]==0.18.*,>0, which is not installed",
            "pip install 'missing[a,b]==0.18.*,>0'",
        ),
        ("one>=2", "needs one>=2, and 1.4.2 is installed", "pip install 'one>=2'"),
        ("one==1.5.*", "needs one==1.5.*, and 1.4.2 is installed", "pip install 'one==1.5.*'"),
        ("one~=1.6", "needs one~=1.6, and 1.4.2 is installed", "pip install 'one~=1.6'"),
        ("one<1.2", "needs one<1.2, and 1.4.2 is installed", "pip install --upgrade dist"),
        ("one==1.2", "needs one==1.2, and 1.4.2 is installed", "pip install --upgrade dist"),
        ("one!=1.4.2", "needs one!=1.4.2, and 1.4.2 is installed", "pip install --upgrade dist"),
        (
            "no such thing!",
            "has the requirement 'no such thing!', which cannot be read",
            "pip install --upgrade dist",
        ),
    ],
)
def test_unmet(installed: InstalledVersions, requirement: str, reason: str, fix: str) -> None:
    (problem,) = unmet([requirement], installed)
    assert problem.reason == reason
    assert problem.fix("dist") == fix


def test_bounds_on_both_sides_tell_too_old_from_too_new(installed: InstalledVersions) -> None:
    too_old, too_new = unmet(["one>=1.5,<2", "one>=1.0,<1.3"], installed)
    assert too_old.fix("dist") == "pip install 'one<2,>=1.5'"
    assert too_new.fix("dist") == "pip install --upgrade dist"


def test_all_problems_are_reported_in_order(installed: InstalledVersions) -> None:
    found = unmet(["missing-b", "one", "missing-a"], installed)
    assert [problem.requirement for problem in found] == ["missing-b", "missing-a"]


VERSIONS = ("1.4", "1.4.0", "1.5.2", "2.0", "2.13.0+cpu", "2.0rc1", "1!1.4", "1.4.post1")
BOUNDS = (">=1.4", ">=1.4.0", "<2", "<2.0.0", "!=1.4", "!=2.0", ">=1.4,<2,!=1.5.2", ">=2.13", "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_plain_requirements_are_compared_as_packaging_does(
    plugin_folder: Any, version: str, bounds: str
) -> None:
    plugin_folder.add_metadata("dist", None, version=version)
    met = not unmet([f"dist {bounds}"], InstalledVersions(plugin_folder.search))
    assert met is SpecifierSet(bounds).contains(version, prereleases=True)


def test_requirements_that_hold_without_extras() -> None:
    lines = ["a>1", "b; extra == 'x'", "c[d]>=2", "e; python_version < '3'", "f ; os_name != ''"]
    assert list(applicable(lines)) == [("a", "a>1"), ("c", "c[d]>=2"), ("f", "f ; os_name != ''")]


def test_plain_requirements_cost_no_import_of_packaging() -> None:
    code = (
        "import sys\n"
        "from matsciml_core.registry.installed import InstalledVersions\n"
        "from matsciml_core.registry.requirements import unmet\n"
        "lines = ['numpy>=1.26,<99', 'torch>=2', 'mkdocs; extra == \"docs\"']\n"
        "print(unmet(lines, InstalledVersions()), 'packaging' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "() False\n", done.stderr
