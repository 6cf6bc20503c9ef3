"""Why an experiment cannot run on this machine: known before it starts, not after it failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_core import DatasetSpec
from matsciml_core.registry.inventory import LABEL_SIZES
from matsciml_tool_benchmark.availability import Unavailable, unavailability
from matsciml_tool_benchmark.experiments import Experiment, plan


class OneDataset:
    """Stands in for a registry that knows one dataset, and has every other component."""

    def __init__(self, **fields: Any) -> None:
        self.spec = DatasetSpec(name="toy", summary="A toy.", class_path="toy:Toy", **fields)

    def specs(self, kind: str) -> list[DatasetSpec]:
        return [self.spec]

    def get(self, kind: str, name: str) -> DatasetSpec:
        return self.spec


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    folder = tmp_path / "datasets" / "toy"
    folder.mkdir(parents=True)
    return folder


def experiment(make_table: Callable[..., Any], **settings: Any) -> Experiment:
    (one,) = plan(make_table(encoders={"net": {}}), "mini")
    one.config["datasets"][0].update(settings)
    return one


def met(one: Experiment, **fields: Any) -> Unavailable | None:
    return unavailability(one, OneDataset(**fields), {})  # type: ignore[arg-type]


def note(folder: Path, sizes: dict[str, list[int]]) -> None:
    """Write what ``matsciml data fetch`` notes."""
    (folder / "store").mkdir()
    (folder / "store" / LABEL_SIZES).write_text(json.dumps(sizes))
    (folder / "fetched.json").write_text(json.dumps({"all": "store"}))


def test_what_was_never_fetched_has_to_be(make_table, data):
    found = met(experiment(make_table), fetch="toy:fetch")
    assert found == Unavailable("no data", "Run: matsciml data fetch toy")


def test_what_was_fetched_can_run(make_table, data):
    note(data, {"gap": [8, 1, 1]})
    assert met(experiment(make_table), fetch="toy:fetch") is None


def test_a_label_that_was_not_fetched_is_named(make_table, data):
    note(data, {"energy": [8, 1, 1]})
    found = met(experiment(make_table), fetch="toy:fetch")
    assert found is not None
    assert (found.state, found.sentence.endswith("has no label 'gap'.")) == ("no label", True)


def test_a_file_that_the_table_names_is_left_to_the_run(make_table, data):
    assert met(experiment(make_table, path="mine.extxyz"), fetch="toy:fetch") is None


def test_data_that_come_with_a_plugin_are_left_to_the_run(make_table, data):
    assert met(experiment(make_table)) is None
