"""What is pinned, and what must never be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

MALICIOUS = ("2.6.2", "2.6.3")
"""Releases of Lightning that stole credentials."""
LIGHTNING = ("lightning", "pytorch-lightning")


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, str]:
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line.strip() and line[0] not in "#-"]
    return {canonicalize_name(one.name): str(one.specifier) for one in requirements}


@pytest.fixture(scope="module")
def core(root: Path) -> dict[str, list[Requirement]]:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def test_torch_is_pinned(pins):
    assert pins["torch"] == "==2.13.0"


def test_every_pin_is_exact(pins):
    assert all(re.fullmatch(r"==[\w.+!]+", specifier) for specifier in pins.values())


@pytest.mark.parametrize("release", MALICIOUS)
def test_no_malicious_release_is_pinned(pins, release):
    for name in LIGHTNING:
        assert not SpecifierSet(pins.get(name, "==0")).contains(release)


@pytest.mark.parametrize("release", MALICIOUS)
def test_no_malicious_release_is_allowed_by_the_core(core, release):
    found = [one for lines in core.values() for one in lines if one.name in LIGHTNING]
    assert found
    for requirement in found:
        assert not requirement.specifier.contains(release)


@pytest.mark.parametrize("release", MALICIOUS)
def test_no_malicious_release_is_allowed_by_a_plugin(plugin, release):
    lines = plugin.pyproject["project"]["dependencies"]
    for requirement in map(Requirement, lines):
        if requirement.name in LIGHTNING:
            assert not requirement.specifier.contains(release)


def test_all_that_the_core_asks_for_is_pinned_within_its_range(pins, core):
    for requirement in (one for lines in core.values() for one in lines):
        pin = pins[canonicalize_name(requirement.name)]
        version = Version(pin.removeprefix("==").partition("+")[0])
        assert requirement.specifier.contains(version), f"{requirement} and {pin}"


def test_all_that_a_plugin_asks_for_is_pinned_within_its_range(pins, plugin):
    for requirement in map(Requirement, plugin.pyproject["project"]["dependencies"]):
        if not requirement.name.startswith("matsciml"):  # ours are not pinned
            version = pins[canonicalize_name(requirement.name)].removeprefix("==")
            assert requirement.specifier.contains(version), str(requirement)


@pytest.mark.parametrize(
    ("name", "faulty"),
    [("torch", "2.9.1"), ("pytorch-lightning", "2.6.5"), ("filelock", "3.20.2")],
)
def test_no_range_allows_a_release_with_a_known_fault(core, plugins, name, faulty):
    """torch's loader of weights corrupted memory; the lock of a file followed links."""
    lines = [line for one in plugins for line in one.pyproject["project"]["dependencies"]]
    asked = [one for group in core.values() for one in group] + list(map(Requirement, lines))
    ranges = [one.specifier for one in asked if canonicalize_name(one.name) == name]
    assert ranges
    assert not any(one.contains(faulty) for one in ranges)
