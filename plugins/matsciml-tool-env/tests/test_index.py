"""The files that say what environments offer: damaged ones are as good as none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from matsciml_core.registry.manager import build_registry
from matsciml_tool_env.index import PluginEnvironment, environment_specs, environments

OFFER = {"kind": "encoder", "name": "a", "summary": "s", "distribution": "d", "version": "1"}
INDEX = {
    "format": "matsciml-environment",
    "version": 1,
    "requirements": ["mace"],
    "versions": {"e3nn": "0.4.4"},
    "offers": [OFFER],
}


@pytest.fixture
def add(data):
    """Return a function that writes an environment whose interpreter is this one."""

    def add(name: str, index: object = INDEX) -> PluginEnvironment:
        environment = PluginEnvironment(data / "environments" / name)
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)
        text = index if isinstance(index, str) else json.dumps(index)
        environment.index.write_text(text)
        return environment

    return add


def names() -> list[str]:
    return [spec.name for spec in environment_specs()]


def test_no_environment(data):
    assert list(environments()) == []
    assert environment_specs() == []


def test_what_is_in_the_file(add):
    add("mine")
    (spec,) = environment_specs()
    assert (spec.name, spec.summary) == ("mine", "Made for mace.")
    assert [(offer.kind, offer.name, offer.version) for offer in spec.offers] == [
        ("encoder", "a", "1")
    ]
    assert spec.versions == {"e3nn": "0.4.4"}


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{",
        "[" * 10_000,
        {**INDEX, "format": "else"},
        {**INDEX, "version": 2},
        {**INDEX, "offers": [{"kind": "encoder"}]},
        {**INDEX, "offers": 3},
        {**INDEX, "versions": None},
    ],
)
def test_a_damaged_file_takes_nothing_down(add, damage):
    add("bad", damage)
    add("good")
    assert names() == ["good"]
    assert [one.name for one in environments()] == ["bad", "good"]
    plugins = {plugin.entry_point: plugin.state for plugin in build_registry().plugins}
    assert plugins["env"] == "ok"


def test_without_its_interpreter_an_environment_is_not_used(add):
    add("mine").python.unlink()
    assert names() == []


def test_a_name_that_nobody_could_give_is_left_out(add):
    add("Mine and Yours")
    assert names() == []


def test_files_and_hidden_folders_are_no_environments(add, data):
    add(".mine")
    (data / "environments" / "note").write_text("")
    assert list(environments()) == []


def test_an_environment_knows_no_other(add, monkeypatch):
    add("one")
    monkeypatch.setattr(sys, "prefix", str(add("two").folder))
    assert environment_specs() == []


def test_the_registry_has_them(add, data: Path):
    add("mine")
    registry = build_registry(only=["env"])
    assert registry.get("environment", "mine").folder == str(data / "environments" / "mine")
    assert [item.offer.name for item in registry.elsewhere()] == ["a"]
