"""The records that plugins return."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from matsciml_core.errors import (
    PluginLoadError,
    RegistryError,
    closest,
    did_you_mean,
)
from matsciml_core.registry import specs
from matsciml_core.registry.hooks import MatSciMLSpecs
from matsciml_core.registry.specs import (
    DatasetSpec,
    EncoderCapabilities,
    EncoderSpec,
    ReaderSpec,
    Reference,
    StrategySpec,
    TaskHeadSpec,
)

BASIC: dict[str, Any] = {"name": "mine", "summary": "Mine.", "class_path": "pkg.module:Class"}


class TestSpec:
    @pytest.mark.parametrize("name", ["mp", "multi-data", "s2ef", "a", "9x", "x_1.0+b"])
    def test_good_names(self, name: str) -> None:
        assert DatasetSpec(**{**BASIC, "name": name}).name == name

    @pytest.mark.parametrize("name", ["", "MP", "-x", "two words", "ä", "x/y", "x:y", "x\n"])
    def test_bad_names(self, name: str) -> None:
        with pytest.raises(RegistryError, match="not a valid encoder name"):
            EncoderSpec(**{**BASIC, "name": name})

    @pytest.mark.parametrize(
        "text", ["module", "a.b", "a:b:c", "a:b.c", ":C", "a:", "1a:B", "a b:C"]
    )
    @pytest.mark.parametrize("field", ["class_path", "config"])
    def test_bad_import_strings(self, field: str, text: str) -> None:
        with pytest.raises(RegistryError, match=r"package\.module:Class"):
            StrategySpec(**{**BASIC, field: text})

    def test_is_frozen_and_keyword_only(self) -> None:
        spec = DatasetSpec(**BASIC)
        with pytest.raises(dataclasses.FrozenInstanceError):
            spec.name = "other"  # type: ignore[misc]
        with pytest.raises(TypeError):
            DatasetSpec("mine", "Mine.", "a:B")  # type: ignore[misc]

    def test_load_imports_the_class(self) -> None:
        spec = DatasetSpec(
            **{**BASIC, "class_path": "collections:OrderedDict", "config": "json:loads"}
        )
        assert spec.load().__name__ == "OrderedDict"
        config = spec.load_config()
        assert config is not None
        assert config.__name__ == "loads"

    def test_nothing_to_set(self) -> None:
        assert DatasetSpec(**BASIC).load_config() is None

    @pytest.mark.parametrize(
        ("path", "cause"),
        [
            ("no_such_module:X", "ModuleNotFoundError"),
            ("collections:NoSuchClass", "AttributeError"),
        ],
    )
    def test_load_failures_are_one_sentence(self, path: str, cause: str) -> None:
        spec = EncoderSpec(**{**BASIC, "class_path": path})
        with pytest.raises(PluginLoadError, match=f"encoder 'mine' .* '{path}': {cause}.*doctor"):
            spec.load()

    def test_suggested_training_settings_cannot_be_changed(self) -> None:
        given = {"learning_rate": 1e-3}
        spec = EncoderSpec(**BASIC, training=given)
        given["learning_rate"] = 5
        assert spec.training["learning_rate"] == 1e-3
        with pytest.raises(TypeError):
            spec.training["learning_rate"] = 5  # type: ignore[index]

    def test_every_kind_is_named(self) -> None:
        own = [record for record in vars(specs).values() if isinstance(record, type)]
        kinds = {record.kind for record in own if record in specs.Spec.__subclasses__()}
        assert kinds == {
            "dataset", "encoder", "task-head", "strategy", "reader", "command", "callback",
            "logger", "baseline",
        }  # fmt: skip

    def test_defaults_promise_the_least_surprise(self) -> None:
        assert EncoderSpec(**BASIC).capabilities == EncoderCapabilities()
        assert EncoderCapabilities().smooth_cutoff is False
        assert StrategySpec(**BASIC).max_tasks is None

    def test_a_head_must_say_what_it_can_train(self) -> None:
        with pytest.raises(TypeError, match="target_kinds"):
            TaskHeadSpec(**BASIC)


class TestReference:
    def test_bibtex(self) -> None:
        reference = Reference(
            key="a2020", authors="A, B and C, D", title="On NaCl", venue="J. Salt 1, 2", year=2020
        )
        assert reference.bibtex() == (
            "@article{a2020,\n  author = {A, B and C, D},\n  title = {{On NaCl}},\n"
            "  journal = {J. Salt 1, 2},\n  year = {2020}\n}"
        )

    def test_bibtex_with_doi(self) -> None:
        reference = Reference(key="k", authors="A", title="T", venue="V", year=1, doi="10.1/x")
        assert "doi = {10.1/x}" in reference.bibtex()


class TestHooks:
    def names(self) -> list[str]:
        return [name for name in vars(MatSciMLSpecs) if name.startswith("matsciml_")]

    def test_every_hook_is_specified_and_documented(self) -> None:
        for name in self.names():
            hook = getattr(MatSciMLSpecs, name)
            assert hasattr(hook, "matsciml_spec"), name
            assert "@hookimpl" in hook.__doc__, name
            assert "versionadded" in hook.__doc__, name

    def test_registration_hooks_cannot_be_called_as_they_are(self) -> None:
        for name in self.names():
            if not name.startswith(("matsciml_before", "matsciml_after")):
                with pytest.raises(NotImplementedError):
                    getattr(MatSciMLSpecs(), name)()

    def test_hooks_take_few_arguments(self) -> None:
        for name in self.names():
            assert getattr(MatSciMLSpecs, name).__code__.co_argcount <= 4, name


def test_closest_name() -> None:
    assert closest("megnett", ["egnn", "megnet"]) == "megnet"
    assert closest("zzz", ["egnn", "megnet"]) is None
    assert did_you_mean("zzz", []) == ""


class TestReaderSpec:
    def test_names_of_functions_are_checked_like_those_of_classes(self) -> None:
        for field in ("detect", "samples"):
            with pytest.raises(RegistryError, match=r"package\.module:Class"):
                ReaderSpec(**BASIC, **{field: "module"})

    @pytest.mark.parametrize("suffix", ["cif", ".CIF", ""])
    def test_a_suffix_is_in_lower_case_and_has_a_dot(self, suffix: str) -> None:
        with pytest.raises(RegistryError, match=r"in lower case and with its dot"):
            ReaderSpec(**BASIC, suffixes=(suffix,))
