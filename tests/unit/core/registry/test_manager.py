"""What the registry answers, and how the environment steers it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

import matsciml_core
from matsciml_core.errors import (
    DuplicateNameError,
    PluginLoadError,
    RegistryError,
    UnknownNameError,
)
from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.specs import DatasetSpec

HOOKS = {
    "dataset": ("matsciml_datasets", "DatasetSpec", ""),
    "encoder": ("matsciml_encoders", "EncoderSpec", ""),
    "task-head": ("matsciml_task_heads", "TaskHeadSpec", ", target_kinds=('scalar',)"),
    "strategy": ("matsciml_strategies", "StrategySpec", ""),
    "reader": ("matsciml_readers", "ReaderSpec", ""),
    "command": ("matsciml_commands", "CommandSpec", ""),
    "callback": ("matsciml_callbacks", "CallbackSpec", ""),
    "logger": ("matsciml_loggers", "LoggerSpec", ""),
    "baseline": ("matsciml_baselines", "BaselineSpec", ", encoder='x', head='x'"),
    "pretrained": ("matsciml_pretrained", "PretrainedSpec", ", encoder='x'"),
    "environment": ("matsciml_environments", "EnvironmentSpec", ", folder='/x'"),
    "check": ("matsciml_checks", "CheckSpec", ""),
}


def offering(*offers: tuple[str, str], requires: Sequence[str] = ()) -> str:
    """Return the source of a plugin that offers components, given as (kind, name)."""
    source = "from matsciml_core import *\nfrom matsciml_core import hookimpl\n"
    for kind in {kind: None for kind, _ in offers}:
        hook, record, extra = HOOKS[kind]
        source += f"\n@hookimpl\ndef {hook}():\n"
        for name in (name for one, name in offers if one == kind):
            source += (
                f"    yield {record}(name={name!r}, summary='A {kind}.', class_path='no.such:Thing'"
                f", requires={tuple(requires)!r}{extra})\n"
            )
    return source


def build(folder: Any, **options: Any) -> Registry:
    return build_registry(path=folder.search, **options)


class TestListing:
    def test_specs_of_one_kind_are_sorted_by_name(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-one", offering(("dataset", "b"), ("encoder", "x")))
        plugin_folder.add("p-two", offering(("dataset", "a"), ("dataset", "c")))
        registry = build(plugin_folder)
        assert [spec.name for spec in registry.specs("dataset")] == ["a", "b", "c"]
        assert [spec.name for spec in registry.specs("encoder")] == ["x"]
        assert registry.specs("strategy") == []

    def test_offers_follow_the_order_of_kinds(self, plugin_folder: Any) -> None:
        plugin_folder.add("p", offering(*[(kind, "x") for kind in reversed(HOOKS)]))
        registry = build(plugin_folder)
        assert registry.kinds == tuple(HOOKS)
        assert [spec.kind for spec, _ in registry.components()] == list(HOOKS)

    def test_unknown_kind(self, plugin_folder: Any) -> None:
        with pytest.raises(UnknownNameError, match=r"no kind 'datasets'. Did you mean 'dataset'\?"):
            build(plugin_folder).specs("datasets")

    def test_find_looks_in_every_kind(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-one", offering(("dataset", "x")))
        plugin_folder.add("p-two", offering(("encoder", "x"), ("encoder", "y")))
        found = [
            (spec.kind, record.distribution) for spec, record in build(plugin_folder).find("x")
        ]
        assert found == [("dataset", "p-one"), ("encoder", "p-two")]
        assert build(plugin_folder).find("z") == []

    def test_record_of(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-one", offering(("dataset", "x")))
        registry = build(plugin_folder)
        spec = registry.get("dataset", "x")
        assert registry.record_of(spec).distribution == "p-one"

    def test_record_of_a_stranger(self, plugin_folder: Any) -> None:
        stranger = DatasetSpec(name="x", summary="", class_path="a:B")
        with pytest.raises(RegistryError, match="another registry"):
            build(plugin_folder).record_of(stranger)

    def test_distributions_in_use(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-good", offering(("dataset", "x")), version="1.5")
        plugin_folder.add("p-bad", "1 / 0")
        plugin_folder.add("p-blocked", offering(("dataset", "y")))
        registry = build(plugin_folder, only=["good", "bad"])
        assert registry.distributions() == {"p-good": "1.5"}

    def test_nothing_installed(self, plugin_folder: Any) -> None:
        registry = build(plugin_folder)
        assert registry.plugins == ()
        assert registry.components() == []
        assert registry.duplicates() == []


class TestGet:
    def test_returns_the_record_without_importing_the_class(self, plugin_folder: Any) -> None:
        plugin_folder.add("p", offering(("encoder", "x")))
        spec = build(plugin_folder).get("encoder", "x")
        assert spec.class_path == "no.such:Thing"
        with pytest.raises(PluginLoadError, match="encoder 'x' could not be loaded"):
            spec.load()

    def test_unknown_name(self, plugin_folder: Any) -> None:
        plugin_folder.add("p", offering(("encoder", "egnine"), ("encoder", "other")))
        with pytest.raises(UnknownNameError) as caught:
            build(plugin_folder).get("encoder", "egnin")
        assert str(caught.value) == (
            "There is no encoder 'egnin'. Did you mean 'egnine'? Installed encoders: egnine, "
            "other. 'matsciml list-plugins --available' shows what can be installed."
        )

    def test_name_of_another_kind(self, plugin_folder: Any) -> None:
        plugin_folder.add("p", offering(("dataset", "x"), ("strategy", "x")))
        with pytest.raises(UnknownNameError) as caught:
            build(plugin_folder).get("encoder", "x")
        assert str(caught.value).endswith("'x' is the name of a dataset and a strategy.")

    def test_plurals_read_well(self, plugin_folder: Any) -> None:
        with pytest.raises(UnknownNameError, match="Installed strategies: none"):
            build(plugin_folder).get("strategy", "x")

    def test_without_a_kind(self, plugin_folder: Any) -> None:
        plugin_folder.add("p", offering(("dataset", "mine")))
        message = str(build(plugin_folder).unknown("mina"))
        assert message.startswith("There is nothing called 'mina'. Did you mean 'mine'?")

    def test_many_names_without_a_kind_are_counted(self, plugin_folder: Any) -> None:
        names = [("dataset", f"data{number}") for number in range(30)]
        plugin_folder.add("p", offering(*names))
        message = str(build(plugin_folder).unknown("data7x"))
        assert "'matsciml list-plugins' shows the 30 names that are installed." in message
        assert len(message) < 250

    def test_missing_requirement_of_a_component(self, plugin_folder: Any) -> None:
        source = offering(("encoder", "x"), requires=["no-such-a>=2", "pluggy", "no-such-b"])
        plugin_folder.add("p", source, version="0.4")
        registry = build(plugin_folder)
        assert [spec.name for spec in registry.specs("encoder")] == ["x"]
        with pytest.raises(PluginLoadError) as caught:
            registry.get("encoder", "x")
        assert str(caught.value) == (
            "The encoder 'x' of p 0.4 needs no-such-a>=2, which is not installed and needs "
            "no-such-b, which is not installed. Run: pip install 'no-such-a>=2' 'no-such-b'"
        )


class TestDuplicates:
    @pytest.fixture
    def registry(self, plugin_folder: Any) -> Registry:
        plugin_folder.add("matsciml-data-one", offering(("dataset", "x"), ("dataset", "y")))
        plugin_folder.add("matsciml-data-two", offering(("dataset", "x"), ("encoder", "y")))
        return build(plugin_folder)

    def test_are_listed(self, registry: Registry) -> None:
        assert [spec.name for spec in registry.specs("dataset")] == ["x", "x", "y"]
        (group,) = registry.duplicates()
        assert [record.distribution for _, record in group] == [
            "matsciml-data-one",
            "matsciml-data-two",
        ]

    def test_raise_when_the_name_is_used(self, registry: Registry) -> None:
        with pytest.raises(DuplicateNameError) as caught:
            registry.get("dataset", "x")
        assert str(caught.value) == (
            "The dataset 'x' is offered by matsciml-data-one 0.1.0 and by matsciml-data-two "
            "0.1.0; uninstall one (pip uninstall matsciml-data-two), or set MATSCIML_PLUGINS to "
            "a comma-separated list of the distributions to use."
        )

    def test_do_not_disturb_other_names(self, registry: Registry) -> None:
        assert registry.get("dataset", "y").name == "y"
        assert registry.get("encoder", "y").name == "y"

    def test_restricting_to_one_distribution_fixes_it(self, plugin_folder: Any) -> None:
        for name in ("one", "two"):
            source = offering(("dataset", "x"))
            plugin_folder.add(f"matsciml-data-{name}", source, entry_point="same")
        registry = build(plugin_folder, only=["matsciml_data_two"])
        spec = registry.get("dataset", "x")
        assert registry.record_of(spec).distribution == "matsciml-data-two"


class TestRestriction:
    @pytest.fixture
    def folder(self, plugin_folder: Any) -> Any:
        for name in ("one", "two", "three"):
            plugin_folder.add(f"matsciml-data-{name}", offering(("dataset", name)))
        return plugin_folder

    @pytest.mark.parametrize(
        ("variable", "expected"),
        [
            (None, ["one", "three", "two"]),
            ("", []),
            (" , ", []),
            ("one", ["one"]),
            ("one, two", ["one", "two"]),
            ("matsciml-data-three", ["three"]),
            ("Matsciml_Data.Three", ["three"]),
            ("nobody", []),
        ],
    )
    def test_environment(
        self,
        folder: Any,
        monkeypatch: pytest.MonkeyPatch,
        variable: str | None,
        expected: list[str],
    ) -> None:
        if variable is not None:
            monkeypatch.setenv("MATSCIML_PLUGINS", variable)
        registry = build(folder)
        assert [spec.name for spec in registry.specs("dataset")] == expected
        assert len(registry.plugins) == 3

    def test_argument_wins_over_the_environment(
        self, folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MATSCIML_PLUGINS", "one")
        assert [one.name for one in build(folder, only=["two"]).specs("dataset")] == ["two"]

    def test_blocked_plugins_are_not_imported(self, plugin_folder: Any) -> None:
        package = plugin_folder.add("matsciml-data-mine", "1 / 0")
        (record,) = build(plugin_folder, only=[]).plugins
        assert record.state == "blocked"
        assert f"{package}.plugin" not in sys.modules


class TestStrict:
    def test_argument(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        with pytest.raises(
            PluginLoadError, match=r"plugin 'bad' of matsciml-data-bad 0\.1\.0 cannot"
        ):
            build(plugin_folder, strict=True)

    def test_environment(self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        monkeypatch.setenv("MATSCIML_STRICT", "1")
        with pytest.raises(PluginLoadError):
            build(plugin_folder)

    def test_argument_wins_over_the_environment(
        self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        monkeypatch.setenv("MATSCIML_STRICT", "1")
        assert build(plugin_folder, strict=False).plugins[0].state == "failed"

    def test_blocked_and_good_plugins_are_fine(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        plugin_folder.add("matsciml-data-good", offering(("dataset", "x")))
        assert build(plugin_folder, strict=True, only=["good"]).get("dataset", "x").name == "x"


class TestLifecycle:
    def test_hooks_reach_every_plugin(
        self, plugin_folder: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("one", "two"):
            plugin_folder.add(
                f"p-{name}",
                "from matsciml_core import hookimpl\n"
                f"@hookimpl\ndef matsciml_before_fit(run):\n    print('{name}', run)\n",
            )
        build(plugin_folder).hook.matsciml_before_fit(run="R")
        assert sorted(capsys.readouterr().out.split("\n")) == ["", "one R", "two R"]

    def test_registration_hooks_are_not_called_again(
        self, plugin_folder: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plugin_folder.add(
            "p",
            "import sys\nfrom matsciml_core import hookimpl\n"
            "@hookimpl\ndef matsciml_datasets():\n    print('called')\n    return []\n",
        )
        registry = build(plugin_folder)
        registry.specs("dataset")
        registry.find("x")
        assert capsys.readouterr().err.count("called") == 1


def test_the_core_re_exports_the_registry_without_building_one() -> None:
    assert matsciml_core.build_registry is build_registry
    assert matsciml_core.Registry is Registry


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, matsciml_core\n"
        "matsciml_core.build_registry(path=[]).components()\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'pytorch_lightning', 'lightning', 'pymatgen'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
