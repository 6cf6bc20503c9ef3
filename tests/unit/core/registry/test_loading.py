"""Loading plugins that are broken in every way we know of."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from matsciml_core import (
    BaselineSpec,
    DatasetSpec,
    EncoderSpec,
    PretrainedSpec,
    TargetInfo,
    TaskHeadSpec,
)
from matsciml_core.registry import _loading
from matsciml_core.registry._hookspecs import collecting_hooks, new_plugin_manager
from matsciml_core.registry.environments import EnvironmentSpec
from matsciml_core.registry.hooks import MatSciMLSpecs
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.records import PluginRecord

GOOD = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="Mine.", class_path="{package}.dataset:Mine")
"""
DATASET = 'DatasetSpec(name="mine", summary="Mine.", class_path="a.b:C")'


def load(folder: Any, source: str, **options: Any) -> PluginRecord:
    folder.add("matsciml-data-mine", source, **options)
    (record,) = build_registry(path=folder.search).plugins
    return record


def hook(body: str, signature: str = "matsciml_datasets()") -> str:
    return (
        "from matsciml_core import *\nfrom matsciml_core import hookimpl\n\n"
        f"@hookimpl\ndef {signature}:\n    {body}\n"
    )


def test_a_good_plugin(plugin_folder: Any) -> None:
    record = load(plugin_folder, GOOD, version="1.2", requires=["matsciml>=0.1", "numpy"])
    assert record.state == "ok"
    assert (record.entry_point, record.label) == ("mine", "matsciml-data-mine 1.2")
    assert (record.reason, record.fix, record.sentence()) == ("", "", "")
    assert [spec.name for spec in record.specs] == ["mine"]
    assert record.heavy_imports == ()


def test_every_registration_hook_is_collected(plugin_folder: Any) -> None:
    source = "from matsciml_core import *\nfrom matsciml_core import hookimpl\n"
    hooks = collecting_hooks(new_plugin_manager())
    required = {
        TaskHeadSpec: ", target_kinds=('scalar',)",
        BaselineSpec: ", encoder='x', head='x'",
        PretrainedSpec: ", encoder='x'",
        EnvironmentSpec: ", folder='/x'",
    }
    for name, record in hooks.items():
        extra = required.get(record, "")
        made = f"{record.__name__}(name='x', summary='s', class_path='a:B'{extra})"
        source += f"\n@hookimpl\ndef {name}():\n    return [{made}]\n"
    record = load(plugin_folder, source)
    assert record.state == "ok", record.reason
    assert [type(spec) for spec in record.specs] == list(hooks.values())


def test_every_hook_that_takes_nothing_is_collected_but_the_one_for_hooks() -> None:
    offering = [
        name
        for name, hook in vars(MatSciMLSpecs).items()
        if name.startswith("matsciml_") and hook.__code__.co_argcount == 1
    ]
    assert offering == [*collecting_hooks(new_plugin_manager()), "matsciml_hookspecs"]


def test_hooks_on_an_object(plugin_folder: Any) -> None:
    plugin_folder.write(
        "objecthooks_module.py",
        "from matsciml_core import DatasetSpec, hookimpl\n\n"
        "class Hooks:\n    @hookimpl\n    def matsciml_datasets(self):\n"
        f"        return [{DATASET}]\n\nclass Namespace:\n    hooks = Hooks()\n",
    )
    plugin_folder.add_metadata(
        "dist", "[matsciml.plugins]\nmine = objecthooks_module:Namespace.hooks\n"
    )
    (record,) = build_registry(path=plugin_folder.search).plugins
    assert record.state == "ok", record.reason
    assert [spec.name for spec in record.specs] == ["mine"]


@pytest.mark.parametrize(
    ("source", "reason", "fix"),
    [
        pytest.param(
            "1 / 0",
            ("cannot be imported", "ZeroDivisionError", "plugin.py, line 1", "division by zero"),
            ("Fix ", "pip uninstall matsciml-data-mine"),
            id="raises at import",
        ),
        pytest.param(
            "import no_such_module_anywhere",
            ("ModuleNotFoundError", "no_such_module_anywhere"),
            ("Install the package that provides 'no_such_module_anywhere'",),
            id="undeclared dependency",
        ),
        pytest.param(
            "from {package}.gone import x",
            ("ModuleNotFoundError", "gone"),
            ("pip install --force-reinstall matsciml-data-mine",),
            id="module of its own is missing",
        ),
        pytest.param("def broken(:", ("SyntaxError", "line 1"), (), id="syntax error"),
        pytest.param("raise SystemExit(3)", ("SystemExit", "3"), (), id="leaves at import"),
        pytest.param("raise Exception", ("Exception", "no message"), (), id="no message"),
        pytest.param(
            "raise ValueError('one\\n   two')", ("ValueError", "one two"), (), id="two lines"
        ),
        pytest.param(
            hook(f"return [{DATASET}]", "matsciml_dataset()"),
            ("the hook 'matsciml_dataset', which does not exist", "'matsciml_datasets'?"),
            ("Fix ",),
            id="misspelt hook",
        ),
        pytest.param(
            f"from matsciml_core import DatasetSpec\ndef matsciml_datasets(): return [{DATASET}]",
            ("'matsciml_datasets'", "not marked with @hookimpl"),
            (),
            id="unmarked hook",
        ),
        pytest.param(
            "def matsciml_data_sets(): pass",
            ("not marked with @hookimpl", "Did you mean 'matsciml_datasets'?"),
            (),
            id="unmarked and misspelt",
        ),
        pytest.param(
            hook(f"return [{DATASET}]", "matsciml_datasets(registry)"),
            ("wrong signature: matsciml_datasets can take the arguments ()", "{'registry'}"),
            (),
            id="unknown argument",
        ),
        pytest.param(
            hook("pass", "matsciml_after_fit(run, results)"),
            ("matsciml_after_fit can take the arguments (run, result)", "{'results'}"),
            (),
            id="lifecycle hook with unknown argument",
        ),
        pytest.param(
            hook("pass"),
            ("returns None from matsciml_datasets", "DatasetSpec records"),
            (),
            id="returns nothing",
        ),
        pytest.param(
            hook(f"return {DATASET}"), ("returns one DatasetSpec",), (), id="returns one record"
        ),
        pytest.param(hook("return 5"), ("returns one int",), (), id="returns a number"),
        pytest.param(hook("return ['mine']"), ("returns str from",), (), id="returns names"),
        pytest.param(
            hook("return [EncoderSpec(name='x', summary='', class_path='a:B')]"),
            ("returns EncoderSpec from matsciml_datasets",),
            (),
            id="record of another kind",
        ),
        pytest.param(
            hook("yield 1 / 0"),
            ("matsciml_datasets raises ZeroDivisionError", "division by zero"),
            (),
            id="raises in a hook",
        ),
        pytest.param(
            hook("return [DatasetSpec(name='No Spaces', summary='', class_path='a:B')]"),
            ("matsciml_datasets says", "'No Spaces' is not a valid dataset name"),
            (),
            id="invalid name",
        ),
        pytest.param(
            hook("return [DatasetSpec(name='x', summary='', class_path='a.b')]"),
            ("package.module:Class",),
            (),
            id="invalid target",
        ),
        pytest.param(
            hook(f"return [{DATASET}, {DATASET}]"),
            ("offers the dataset 'mine' twice",),
            (),
            id="one name twice",
        ),
    ],
)
def test_faults_are_named_with_reason_and_mend(
    plugin_folder: Any, source: str, reason: tuple[str, ...], fix: tuple[str, ...]
) -> None:
    record = load(plugin_folder, source, version="0.9")
    assert record.state == "failed"
    assert record.specs == ()
    for part in reason:
        assert part in record.reason
    for part in fix:
        assert part in record.fix
    assert "\n" not in record.sentence()
    assert record.sentence().startswith("The plugin 'mine' of matsciml-data-mine 0.9 ")
    assert "?." not in record.sentence()


def test_two_hooks_marked_right_and_one_helper_that_is_no_hook(plugin_folder: Any) -> None:
    record = load(plugin_folder, GOOD + "\n    def helper():\n        return 1\n")
    assert record.state == "ok"


def test_functions_imported_from_elsewhere_are_not_hooks_of_the_plugin(plugin_folder: Any) -> None:
    record = load(
        plugin_folder,
        GOOD + "\n    from {package}.other import matsciml_shared\n",
        modules={"other": "def matsciml_shared(): ..."},
    )
    assert record.state == "ok", record.reason


def test_an_optional_hook_of_a_later_core_is_allowed(plugin_folder: Any) -> None:
    record = load(
        plugin_folder,
        "from matsciml_core import hookimpl\n"
        "@hookimpl(optionalhook=True)\ndef matsciml_hook_of_the_future(): pass\n",
    )
    assert record.state == "ok", record.reason
    assert record.unused_hooks == ("matsciml_hook_of_the_future",)


class TestRequirements:
    def test_missing_distribution_is_found_before_the_import(self, plugin_folder: Any) -> None:
        record = load(plugin_folder, "1 / 0", requires=["no-such-dist>=2"])
        assert record.reason == "needs no-such-dist>=2, which is not installed"
        assert record.fix == "Run: pip install 'no-such-dist>=2'"
        assert record.module not in sys.modules

    def test_newer_core(self, plugin_folder: Any) -> None:
        record = load(plugin_folder, GOOD, requires=["matsciml>=99"])
        assert record.reason.startswith("needs matsciml>=99, and ")
        assert record.fix == "Run: pip install 'matsciml>=99'"

    def test_older_core(self, plugin_folder: Any) -> None:
        record = load(plugin_folder, GOOD, requires=["matsciml<0.0.1"])
        assert record.fix == "Run: pip install --upgrade matsciml-data-mine"

    def test_several_problems_in_one_sentence(self, plugin_folder: Any) -> None:
        record = load(plugin_folder, GOOD, requires=["no-a", "no-b", "matsciml"])
        assert record.reason == (
            "needs no-a, which is not installed and needs no-b, which is not installed"
        )
        assert record.fix == "Run: pip install 'no-a' && pip install 'no-b'"

    def test_extras_and_markers_are_honoured(self, plugin_folder: Any) -> None:
        record = load(
            plugin_folder,
            GOOD,
            requires=["no-a; extra == 'test'", "no-b; python_version < '3'"],
        )
        assert record.state == "ok", record.reason


class TestIsolation:
    def test_one_bad_plugin_leaves_the_others_alone(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        plugin_folder.add("matsciml-data-good", GOOD)
        registry = build_registry(path=plugin_folder.search)
        assert [(one.entry_point, one.state) for one in registry.plugins] == [
            ("bad", "failed"),
            ("good", "ok"),
        ]
        assert registry.get("dataset", "mine").summary == "Mine."

    def test_a_failed_plugin_has_no_hooks_left(self, plugin_folder: Any) -> None:
        source = hook("return 5") + "\n@hookimpl\ndef matsciml_before_fit(run):\n    1 / 0\n"
        assert load(plugin_folder, source).state == "failed"
        registry = build_registry(path=plugin_folder.search)
        assert registry.hook.matsciml_before_fit(run=None) == []

    def test_two_plugins_with_the_same_misspelling_both_fail(self, plugin_folder: Any) -> None:
        source = hook("return []", "matsciml_encoder()")
        for name in ("one", "two"):
            plugin_folder.add(f"matsciml-model-{name}", source)
        states = [one.state for one in build_registry(path=plugin_folder.search).plugins]
        assert states == ["failed", "failed"]

    def test_two_entry_points_for_one_module(self, plugin_folder: Any) -> None:
        package = plugin_folder.add("matsciml-data-mine", GOOD)
        plugin_folder.add_metadata("other", f"[matsciml.plugins]\nother = {package}.plugin\n")
        first, second = build_registry(path=plugin_folder.search).plugins
        assert (first.state, second.state) == ("ok", "failed")
        assert "which another plugin has registered" in second.reason

    def test_unreadable_entry_points_are_a_failed_plugin(self, plugin_folder: Any) -> None:
        plugin_folder.add_metadata("matsciml-data-mine", "[matsciml.plugins]\nmine\n")
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert record.state == "failed"
        assert "cannot be read" in record.reason
        assert "--force-reinstall matsciml-data-mine" in record.fix

    def test_ctrl_c_during_the_import_is_not_swallowed(self, plugin_folder: Any) -> None:
        with pytest.raises(KeyboardInterrupt):
            load(plugin_folder, "raise KeyboardInterrupt")

    def test_printing_plugins_do_not_spoil_stdout(
        self, plugin_folder: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        load(plugin_folder, "print('at import')\n" + hook("print('in hook'); return []"))
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.split("\n")[:2] == ["at import", "in hook"]

    def test_a_second_registry_calls_the_hooks_again(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-mine", GOOD)
        one, two = (build_registry(path=plugin_folder.search) for _ in range(2))
        assert one.get("dataset", "mine") == two.get("dataset", "mine")
        assert one.get("dataset", "mine") is not two.get("dataset", "mine")


class TestHeavyImports:
    def test_are_reported(self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_loading, "HEAVY", ("heavy_as_lead", "never_imported"))
        plugin_folder.write("heavy_as_lead.py", "")
        record = load(plugin_folder, "import heavy_as_lead\n" + hook("return []"))
        assert record.state == "ok"
        assert record.heavy_imports == ("heavy_as_lead",)

    def test_what_was_imported_before_is_not_held_against_a_plugin(
        self, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_loading, "HEAVY", ("json",))
        assert load(plugin_folder, "import json\n" + hook("return []")).heavy_imports == ()


def test_records_arrive_as_the_plugin_made_them(plugin_folder: Any) -> None:
    record = load(
        plugin_folder,
        hook(
            "yield DatasetSpec(name='x', summary='s', class_path='a:B', "
            "targets=(TargetInfo(name='gap', kind='scalar', unit='ev'),))"
        )
        + "\n@hookimpl\ndef matsciml_encoders():\n"
        "    return (EncoderSpec(name='y', summary='', class_path='a:B') for _ in range(1))\n",
    )
    dataset, encoder = record.specs
    assert isinstance(dataset, DatasetSpec)
    assert dataset.targets == (TargetInfo(name="gap", kind="scalar", unit="eV"),)
    assert isinstance(encoder, EncoderSpec)


@pytest.mark.parametrize("kind", ["BaseException", "SystemExit", "GeneratorExit"])
def test_whatever_a_plugin_raises_at_import_is_its_own_fault(plugin_folder, kind):
    """Panics of extensions in Rust are no ``Exception``."""
    plugin_folder.add("matsciml-data-broken", f"raise {kind}('panicked')\n")
    registry = build_registry(path=plugin_folder.search)
    (record,) = (one for one in registry.plugins if "broken" in str(one.distribution))
    assert record.state == "failed"
    assert "panicked" in record.reason


def test_an_interrupt_says_which_plugin_was_loading(plugin_folder):
    plugin_folder.add("matsciml-data-broken", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt, match="while the plugin 'matsciml-data-broken' was"):
        build_registry(path=plugin_folder.search)
