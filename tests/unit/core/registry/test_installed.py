"""Versions and requirements of what is installed."""

from __future__ import annotations

from typing import Any

import pytest

import matsciml_core
from matsciml_core.registry.installed import CORE, InstalledVersions


@pytest.fixture
def installed(plugin_folder: Any) -> InstalledVersions:
    plugin_folder.add_metadata("one", None, version="1.4.2")
    return InstalledVersions(plugin_folder.search)


def test_the_core_that_runs_is_the_one_that_counts(plugin_folder: Any) -> None:
    plugin_folder.add_metadata(CORE, None, version="99.0")
    assert InstalledVersions(plugin_folder.search).version(CORE) == matsciml_core.__version__


def test_installed_packages_are_found_without_a_path() -> None:
    assert InstalledVersions().version("pytest") == pytest.__version__


def test_left_overs_without_metadata_are_not_installed(plugin_folder: Any) -> None:
    (plugin_folder.path / "leftover-1.0.dist-info").mkdir()
    assert InstalledVersions(plugin_folder.search).version("leftover") is None


def test_egg_info_counts_as_installed(plugin_folder: Any) -> None:
    plugin_folder.write("old_style.egg-info/PKG-INFO", "Name: old-style\nVersion: 4.2\n")
    assert InstalledVersions(plugin_folder.search).version("old-style") == "4.2"


def test_requires_reads_the_metadata(plugin_folder: Any) -> None:
    plugin_folder.add_metadata("dist", None, requires=["a>1", "b; extra=='x'"])
    versions = InstalledVersions(plugin_folder.search)
    assert versions.requires("dist") == ("a>1", "b; extra=='x'")
    assert versions.requires("no-such-dist") is None


def test_each_version_is_looked_up_once(installed: InstalledVersions, plugin_folder: Any) -> None:
    assert installed.version("one") == "1.4.2"
    (plugin_folder.path / "one-1.4.2.dist-info" / "METADATA").unlink()
    assert installed.version("one") == "1.4.2"
