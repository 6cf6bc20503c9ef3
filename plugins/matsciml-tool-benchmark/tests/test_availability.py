"""Why an experiment cannot run on this machine: known before it starts, not after it failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.registry.inventory import LABEL_SIZES
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_benchmark.availability import Unavailable, unavailability
from matsciml_tool_benchmark.experiments import Experiment, plan

PLUGIN = """
    from matsciml_core import DatasetSpec, EncoderSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="toy", summary="A toy.", class_path="toy:Toy"{fields})

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(name="net", summary="A net.", class_path="toy:Net")
"""
FETCHED = ', fetch="toy:fetch"'


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the dataset ``toy``."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    folder = tmp_path / "datasets" / "toy"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def reason(plugin_folder: PluginFolder, data: Path) -> Callable[..., Unavailable | None]:
    """A function that returns what keeps an experiment on the dataset ``toy`` from running."""

    def find(experiment: Experiment, fields: str = "") -> Unavailable | None:
        plugin_folder.add("matsciml-data-toy", PLUGIN.format(fields=fields))
        return unavailability(experiment, build_registry(path=plugin_folder.search))

    return find


def experiment(make_table: Callable[..., Any], *, path: str = "", **changes: Any) -> Experiment:
    changes.setdefault("encoders", {"net": {}})
    (first, *_) = plan(make_table(**changes), "mini")
    if path:
        first.config["datasets"][0]["path"] = path
    return first


def note(folder: Path, sizes: dict[str, list[int]]) -> None:
    """Write what ``matsciml data fetch`` notes."""
    (folder / "store").mkdir()
    (folder / "store" / LABEL_SIZES).write_text(json.dumps(sizes))
    (folder / "fetched.json").write_text(json.dumps({"all": "store"}))


def test_what_was_never_fetched_has_to_be(make_table, reason):
    found = reason(experiment(make_table), FETCHED)
    assert found == Unavailable("no data", "Run: matsciml data fetch toy")


def test_what_was_fetched_can_run(make_table, data, reason):
    note(data, {"gap": [8, 1, 1]})
    assert reason(experiment(make_table), FETCHED) is None


def test_a_label_that_was_not_fetched_is_named(make_table, data, reason):
    note(data, {"energy": [8, 1, 1]})
    found = reason(experiment(make_table), FETCHED)
    assert found is not None
    assert (found.state, found.sentence.endswith("has no label 'gap'.")) == ("no label", True)


def test_an_unreadable_record_of_the_data_is_said(make_table, data, reason):
    (data / "fetched.json").write_text("{")
    found = reason(experiment(make_table), FETCHED)
    assert found is not None
    assert found.state == "no data"
    assert "'toy' on this machine is unreadable" in found.sentence


def test_a_file_that_the_table_names_is_left_to_the_run(make_table, reason):
    assert reason(experiment(make_table, path="mine.extxyz"), FETCHED) is None


def test_data_that_come_with_a_plugin_are_left_to_the_run(make_table, reason):
    assert reason(experiment(make_table)) is None


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"row": {"datasets": ["lips"]}}, "Run: pip install matsciml-data-lips"),
        ({"encoders": {"megnet": {}}}, "Run: pip install matsciml-model-megnet"),
        ({"row": {"strategy": "pcgrad"}}, "Run: pip install matsciml-strategy-pcgrad"),
        ({"row": {"generates": True}}, "Run: pip install matsciml-tool-generate"),
    ],
)
def test_what_is_not_installed_says_how_to_install_it(make_table, reason, changes, command):
    found = reason(experiment(make_table, **changes))
    assert found == Unavailable("not installed", command)


def test_a_component_that_no_known_plugin_offers_is_said(make_table, reason):
    found = reason(experiment(make_table, encoders={"unheard-of": {}}))
    assert found is not None
    assert found.state == "not installed"
    assert "There is no encoder 'unheard-of'." in found.sentence


def test_a_plugin_that_is_installed_but_not_in_use_is_not_installed_again(
    make_table, reason, plugin_folder
):
    plugin_folder.add("matsciml-data-lips", "1 / 0")
    found = reason(experiment(make_table, row={"datasets": ["lips"]}))
    assert found is not None
    assert "ZeroDivisionError" in found.sentence


def test_what_an_environment_offers_can_run(make_table, reason, plugin_folder):
    plugin_folder.add(
        "matsciml-tool-far",
        """
        from matsciml_core import EnvironmentSpec, OfferedComponent, hookimpl

        @hookimpl
        def matsciml_environments():
            yield EnvironmentSpec(
                name="far",
                summary="s",
                class_path="a.b:C",
                folder="/far",
                offers=(
                    OfferedComponent(kind="encoder", name="far", summary="s", distribution="d"),
                ),
            )
        """,
    )
    assert reason(experiment(make_table, encoders={"far": {}})) is None
