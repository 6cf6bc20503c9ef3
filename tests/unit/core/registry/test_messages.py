"""What is said of names that belong to plugins which are installed and not in use."""

from __future__ import annotations

from typing import Any

import pytest

from matsciml_core.errors import UnknownNameError
from matsciml_core.registry.manager import build_registry

DATASET = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="A dataset.", class_path="no.such:Thing")
"""


@pytest.mark.parametrize("distribution", ["matsciml-data-mine", "something-else-mine"])
def test_name_of_the_entry_point(plugin_folder: Any, distribution: str) -> None:
    plugin_folder.add(distribution, "1 / 0", version="0.2")
    with pytest.raises(UnknownNameError) as caught:
        build_registry(path=plugin_folder.search).get("dataset", "mine")
    message = str(caught.value)
    assert f"installed but not in use: The plugin 'mine' of {distribution} 0.2" in message
    assert "ZeroDivisionError" in message
    assert "pip install matsciml-data-mine" not in message


def test_name_of_the_distribution(plugin_folder: Any) -> None:
    plugin_folder.add("matsciml-strategy-multidata", "1 / 0", entry_point="other")
    with pytest.raises(UnknownNameError, match="installed but not in use"):
        build_registry(path=plugin_folder.search).get("strategy", "multi-data")


def test_distribution_for_another_kind_is_not_blamed(plugin_folder: Any) -> None:
    plugin_folder.add("matsciml-model-mine", "1 / 0")
    with pytest.raises(UnknownNameError) as caught:
        build_registry(path=plugin_folder.search).get("dataset", "mine")
    assert "matsciml-model-mine" not in str(caught.value)


def test_without_a_kind_every_plugin_of_that_name_is_named(plugin_folder: Any) -> None:
    plugin_folder.add("matsciml-model-mine", "1 / 0")
    assert "of matsciml-model-mine 0.1.0" in str(
        build_registry(path=plugin_folder.search).unknown("mine")
    )


def test_blocked_plugins_say_who_blocked_them(plugin_folder: Any) -> None:
    plugin_folder.add("matsciml-data-mine", DATASET)
    with pytest.raises(UnknownNameError) as caught:
        build_registry(path=plugin_folder.search, only=[]).get("dataset", "mine")
    assert "MATSCIML_PLUGINS does not name it" in str(caught.value)
