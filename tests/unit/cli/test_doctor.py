"""``matsciml doctor``: what it finds, how it says so, and its exit code."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli import _checks
from matsciml_cli._checks import all_checks
from matsciml_cli.state import slow_plugin
from matsciml_core import __version__
from matsciml_core.registry import _loading
from matsciml_core.registry._hookspecs import new_plugin_manager
from matsciml_core.registry.checks import Check
from matsciml_core.registry.installed import InstalledVersions
from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.records import PluginRecord

GOOD = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="s", class_path="a:B", requires=REQUIRES)
"""


def good(requires: tuple[str, ...] = ()) -> str:
    return GOOD.replace("REQUIRES", repr(requires))


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that may be written to, with a data folder that may be made."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    return folder


def checks(folder: Any, area: str) -> list[Check]:
    registry = build_registry(strict=False, path=folder.search)
    return [check for check in all_checks(registry) if check.area == area]


class TestReport:
    def test_all_fine(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", good())
        outcome = cli("doctor")
        assert outcome.code == 0, outcome.out
        assert outcome.err == ""
        assert outcome.out.endswith("Everything that is needed works.\n")
        assert "mine (matsciml-data-mine 0.1.0)  dataset mine" in outcome.out

    def test_a_failure(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", good())
        plugin_folder.add("matsciml-data-bad", good(), requires=["no-such-dist>=2"])
        outcome = cli("doctor")
        assert outcome.code == 1
        lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
        at = lines.index(
            "failed bad (matsciml-data-bad 0.1.0) needs no-such-dist>=2, which is not installed"
        )
        assert lines[at + 1] == "Run: pip install 'no-such-dist>=2'"
        assert lines[-1].startswith("1 of ")
        assert lines[-1].endswith(" checks failed.")

    def test_json(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", good())
        outcome = cli("doctor", "--json")
        assert outcome.code == 0
        data = outcome.data
        assert list(data) == ["schema", "ok", "checks"]
        assert (data["schema"], data["ok"]) == (1, True)
        text = " ".join(cli("doctor", "--help").out.split())
        for key in (*data, *data["checks"][0]):
            assert f"`{key}`" in text, key

    def test_json_of_a_failure(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        outcome = cli("doctor", "--json")
        assert outcome.code == 1
        assert outcome.data["ok"] is False
        (failed,) = [one for one in outcome.data["checks"] if one["state"] == "failed"]
        assert failed["area"] == "plugins"
        assert "pip uninstall matsciml-data-bad" in failed["fix"]

    def test_is_never_strict(
        self, cli: Callable[..., Any], plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("one", "two"):
            plugin_folder.add(f"matsciml-data-{name}", "1 / 0")
        monkeypatch.setenv("MATSCIML_STRICT", "1")
        outcome = cli("doctor")
        assert outcome.code == 1
        assert outcome.out.count("ZeroDivisionError") == 2

    def test_everything_wrong_has_a_fix(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        plugin_folder.add("matsciml-data-one", good(("no-such-dist",)))
        plugin_folder.add("matsciml-data-two", good())
        registry = build_registry(strict=False, path=plugin_folder.search)
        found = list(all_checks(registry))
        assert {check.area for check in found if check.state != "ok"} == {
            "plugins",
            "names",
            "optional",
        }
        for check in found:
            assert bool(check.fix) == (check.state != "ok"), check


class TestEnvironment:
    def test_versions(self, plugin_folder: Any) -> None:
        found = {check.name: check.detail for check in checks(plugin_folder, "environment")}
        assert found["matsciml"] == __version__
        assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
        assert found["platform"]


class TestPackages:
    class Fake(InstalledVersions):
        def __init__(self, versions: dict[str, str], lines: Sequence[str] | None = ()) -> None:
            super().__init__([])
            self._versions, self._lines = versions, lines

        def version(self, name: str) -> str | None:
            return self._versions.get(name)

        def requires(self, name: str) -> tuple[str, ...] | None:
            return None if self._lines is None else tuple(self._lines)

    def packages(self, versions: dict[str, str], lines: Sequence[str] | None) -> list[Check]:
        return list(_checks.packages(self.registry(self.Fake(versions, lines))))

    def registry(self, installed: InstalledVersions) -> Registry:
        return Registry([], manager=new_plugin_manager(), installed=installed)

    def test_present(self) -> None:
        found = self.packages({"numpy": "2.1", "rich": "14"}, ["rich>=13", "numpy"])
        assert [(one.name, one.state, one.detail) for one in found] == [
            ("numpy", "ok", "2.1"),
            ("rich", "ok", "14"),
        ]

    def test_missing(self) -> None:
        (check,) = self.packages({}, ["numpy>=1.26"])
        assert check.state == "failed"
        assert check.detail == "not installed, and >=1.26 is needed"
        assert check.fix == "Run: pip install 'numpy>=1.26'"

    def test_too_old(self) -> None:
        (check,) = self.packages({"numpy": "1.20"}, ["numpy>=1.26"])
        assert check.detail == "1.20, and >=1.26 is needed"

    def test_extras_are_optional(self) -> None:
        assert self.packages({}, ["pytest>=8; extra == 'test'"]) == []

    def test_sources_that_are_not_installed(self) -> None:
        (check,) = self.packages({}, None)
        assert check.state == "failed"
        assert "pip install -e ." in check.fix

    def test_the_real_environment_lists_torch_without_importing_it(
        self, plugin_folder: Any
    ) -> None:
        names = [check.name for check in checks(plugin_folder, "packages")]
        assert {"torch", "pydantic", "typer"} <= set(names)

    @pytest.mark.parametrize("name", ["lightning", "pytorch-lightning"])
    @pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
    def test_malicious_releases(self, name: str, version: str) -> None:
        (check,) = _checks.compromised_packages(self.registry(self.Fake({name: version})))
        assert (check.name, check.state) == (name, "failed")
        assert "malicious" in check.detail
        assert f"'{name}!=2.6.2,!=2.6.3'" in check.fix
        assert "replace every password" in check.fix

    def test_honest_releases(self) -> None:
        installed = self.Fake({"lightning": "2.6.4"})
        (check,) = _checks.compromised_packages(self.registry(installed))
        assert check.state == "ok"
        assert list(_checks.compromised_packages(self.registry(self.Fake({})))) == []


class TestPlugins:
    def test_none_installed(self, plugin_folder: Any) -> None:
        (check,) = checks(plugin_folder, "plugins")
        assert (check.state, check.detail) == ("warning", "no plugin is installed")

    def test_blocked(self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        plugin_folder.add("matsciml-data-mine", good())
        monkeypatch.setenv("MATSCIML_PLUGINS", "")
        (check,) = checks(plugin_folder, "plugins")
        assert check.state == "warning"
        assert "Add 'matsciml-data-mine' to MATSCIML_PLUGINS" in check.fix

    def test_misspelt_restriction(
        self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin_folder.add("matsciml-data-mine", good())
        monkeypatch.setenv("MATSCIML_PLUGINS", "minne,mine")
        _, check = checks(plugin_folder, "plugins")
        assert (check.name, check.state) == ("minne", "warning")
        assert "Did you mean 'mine'?" in check.detail

    def test_offering_nothing(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", "")
        (check,) = checks(plugin_folder, "plugins")
        assert (check.state, check.detail) == ("ok", "offers no component")

    def test_a_hook_of_a_tool_that_is_not_installed_is_no_warning(self, plugin_folder: Any) -> None:
        plugin_folder.add(
            "matsciml-data-mine",
            "from matsciml_core import hookimpl\n\n"
            "@hookimpl(optionalhook=True)\ndef matsciml_sections(): ...\n",
        )
        (check,) = checks(plugin_folder, "plugins")
        assert check.state == "ok"
        assert check.detail == "offers no component; nothing installed calls its matsciml_sections"

    def test_slow_to_import(self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_loading, "HEAVY", ("heavy_as_gold",))
        plugin_folder.write("heavy_as_gold.py", "")
        package = plugin_folder.add("matsciml-data-mine", "import heavy_as_gold")
        (check,) = checks(plugin_folder, "plugins")
        assert check.state == "warning"
        assert check.name == "mine (matsciml-data-mine 0.1.0)"
        assert f"{package}.plugin imports heavy_as_gold" in check.detail

    def test_the_one_that_everything_waits_for(
        self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = build_registry(only=[])
        quick = PluginRecord(
            entry_point="a", distribution="a", version="1", module="a.plugin", state="ok"
        )
        slow = replace(quick, entry_point="b", module="b.plugin", seconds=9.0)
        busy = replace(quick, entry_point="c", module="c.plugin", seconds=8.0)
        assert slow_plugin([]) is None
        assert slow_plugin([quick, slow]) is slow
        assert slow_plugin([slow, busy, replace(busy, entry_point="d")]) is None  # a slow machine
        monkeypatch.setattr(Registry, "plugins", property(lambda self: [quick, slow]))
        first, second = _checks.plugins(registry)
        assert (first.state, second.state) == ("ok", "warning")
        assert second.detail == "b.plugin takes 9.0 s, for which every command waits"

    def test_the_engine_of_the_store(self, plugin_folder: Any) -> None:
        (check,) = [one for one in checks(plugin_folder, "environment") if "engine" in one.name]
        assert check.detail.startswith("lmdb ")

    def test_duplicates_fail(self, plugin_folder: Any) -> None:
        for name in ("one", "two"):
            plugin_folder.add(f"matsciml-data-{name}", good())
        (check,) = checks(plugin_folder, "names")
        assert (check.name, check.state) == ("dataset mine", "failed")
        assert "matsciml-data-one 0.1.0 and by matsciml-data-two 0.1.0" in check.detail
        assert "pip uninstall matsciml-data-two" in check.fix

    def test_command_hidden_by_a_built_in_verb(self, plugin_folder: Any) -> None:
        plugin_folder.add(
            "matsciml-verbs",
            "from matsciml_core import CommandSpec, hookimpl\n"
            "@hookimpl\ndef matsciml_commands():\n"
            "    return [CommandSpec(name='run', summary='s', class_path='a:B')]\n",
        )
        (check,) = checks(plugin_folder, "names")
        assert (check.name, check.state) == ("command run", "warning")

    def test_missing_optional_requirement(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", good(("no-such-a", "no-such-b>1")))
        (check,) = checks(plugin_folder, "optional")
        assert (check.name, check.state) == ("dataset mine", "warning")
        assert check.fix == "To use it, run: pip install 'no-such-a' 'no-such-b>1'"


class TestFolders:
    def test_folders_that_can_be_made(self, plugin_folder: Any, work: Path) -> None:
        runs, data = checks(plugin_folder, "folders")
        assert (runs.state, data.state) == ("ok", "ok")
        assert str(work / "runs") in runs.detail
        assert not (work / "runs").exists()

    def test_a_file_in_the_way(self, plugin_folder: Any, work: Path) -> None:
        (work / "runs").write_text("")
        runs, _ = checks(plugin_folder, "folders")
        assert runs.state == "failed"

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
    def test_no_permission(self, plugin_folder: Any, work: Path) -> None:
        work.chmod(stat.S_IRUSR | stat.S_IXUSR)
        runs, _ = checks(plugin_folder, "folders")
        work.chmod(stat.S_IRWXU)
        assert runs.state == "failed"

    def test_permission_is_asked_for(
        self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry: Registry = build_registry(path=plugin_folder.search)
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        states = [check.state for check in all_checks(registry) if check.area == "folders"]
        assert states == ["failed", "failed"]
