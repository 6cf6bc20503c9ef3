"""The index of known plugins, and the advice that is taken from it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from matsciml_core.errors import UnknownNameError
from matsciml_core.registry.known_plugins import known_components, known_plugins
from matsciml_core.registry.manager import build_registry

KINDS = ("dataset", "encoder", "task-head", "strategy", "reader", "command", "callback", "logger")
NAMES = (
    "mace", "requests", "numpy", "matsciml-model-evil", "evil", "data/mine", "./folder",
    "two words", "a;b", "", "-r", "$(x)", "x/", "mp", "egnn", "egnm", "single", "benchmrk",
)  # fmt: skip
BROKEN = "1 / 0"


def proposed(message: str) -> set[str]:
    """Return what a message proposes to install."""
    return set(re.findall(r"pip install (\S+)", message))


@pytest.fixture
def registry(plugin_folder: Any) -> Any:
    """Give a registry without plugins."""
    return build_registry(path=plugin_folder.search)


def test_every_component_is_whole() -> None:
    components = known_components()
    assert len(components) > 20
    for component in components:
        assert component.name
        assert component.summary
        assert component.distribution.startswith("matsciml-")
        assert bool(component.group) is (component.kind == "command")


def test_names_are_unique_within_their_kind() -> None:
    pairs = [(component.kind, component.name) for component in known_components()]
    assert len(set(pairs)) == len(pairs)


def test_libraries_are_listed_without_components() -> None:
    libraries = [plugin for plugin in known_plugins() if not plugin.components]
    assert all(plugin.distribution.startswith("matsciml-util-") for plugin in libraries)


def test_the_thirteen_tasks_are_numbered() -> None:
    rows = [task.row for item in known_components("dataset") for task in item.tasks]
    assert sorted(row for row in rows if row is not None) == list(range(1, 14))


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_typed_becomes_the_name_of_a_package(
    registry: Any, kind: str | None, name: str
) -> None:
    known = {plugin.distribution for plugin in known_plugins()}
    assert proposed(str(registry.unknown(name, kind))) <= known


def test_a_component_of_the_index(registry: Any) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get("strategy", "mgda")
    assert str(caught.value) == (
        "There is no strategy 'mgda'. Installed strategies: none. matsciml-strategy-pcgrad offers "
        "it. To install it: pip install matsciml-strategy-pcgrad"
    )


def test_requirements_that_are_hard_to_meet_are_mentioned(registry: Any) -> None:
    message = str(registry.unknown("mpnn-dgl", "encoder"))
    assert "offers it; dgl 1.1.3 has wheels for Python up to 3.11" in message


def test_the_closest_name_may_be_of_the_index(registry: Any) -> None:
    message = str(registry.unknown("megnett", "encoder"))
    assert "Did you mean 'megnet' of matsciml-model-megnet?" in message
    assert proposed(message) == {"matsciml-model-megnet"}


def test_the_index_is_asked_for_the_kind(registry: Any) -> None:
    assert not proposed(str(registry.unknown("megnet", "dataset")))
    assert proposed(str(registry.unknown("megnet"))) == {"matsciml-model-megnet"}


def test_an_installed_plugin_that_fails_is_not_installed_again(plugin_folder: Any) -> None:
    plugin_folder.add("matsciml-strategy-pcgrad", BROKEN)
    message = str(build_registry(path=plugin_folder.search).unknown("mgda", "strategy"))
    assert "ZeroDivisionError" in message
    assert not proposed(message)
