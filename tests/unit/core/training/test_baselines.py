"""Baselines without a network: made once, left out where they are not asked for, never in the way.

A plugin offers one, the nearest training crystal, and a dataset whose content has a hash.
"""

from __future__ import annotations

import pytest

from matsciml_core import build_registry, train
from matsciml_core.registry.folders import data_folder

KEY = "hashed/energy"
PLUGIN = """
    from matsciml_core import BaselineSpec, DatasetSpec, TaskHeadSpec, hookimpl
    from matsciml_core.testing.examples import DATASET

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="hashed", summary="s", class_path="{package}.parts:Hashed", targets=DATASET.targets
        )

    @hookimpl
    def matsciml_task_heads():
        yield TaskHeadSpec(
            name="nearest", summary="s", class_path="{package}.parts:NearestHead",
            config="{package}.parts:NearestConfig", target_kinds=("scalar",),
        )
        yield TaskHeadSpec(
            name="steps", summary="s", class_path="matsciml_core.testing.examples:ExampleHead",
            target_kinds=("scalar",),
        )

    @hookimpl
    def matsciml_baselines():
        yield BaselineSpec(name="nearest", summary="s", encoder="example", head="HEAD")
"""
PARTS = """
    from dataclasses import replace
    from pathlib import Path

    import torch

    from matsciml_core import Config
    from matsciml_core.interfaces.feature_head import FeatureHead
    from matsciml_core.testing.examples import ExampleDataset, ExampleHead

    FITS = Path(__file__).with_name("fits")

    class Hashed(ExampleDataset):
        @property
        def provenance(self):
            return replace(super().provenance, content_hash="0" * 64)

    class NearestConfig(Config):
        neighbours: int = 1

    class NearestHead(ExampleHead, FeatureHead):
        def fit_features(self, features, target, mask, *, seed):
            with FITS.open("a") as file:
                file.write("x")
            self.known, self.values = features, target["energy"]

        def forward(self, embedding, batch):
            torch.rand(7)
            nearest = torch.cdist(embedding.crystals, self.known).argmin(dim=1)
            return {"energy": self.values[nearest]}
"""


@pytest.fixture
def fit(plugin_folder, tmp_path, monkeypatch):
    """Return ``train`` with the plugin above, in a data folder that is empty at first."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    plugin_folder.add_examples()

    def run(*, head="nearest", **options):
        if head is not None and not list(plugin_folder.path.glob("matsciml_head_nearest_*")):
            source = PLUGIN.replace("HEAD", head)
            plugin_folder.add("matsciml-head-nearest", source, modules={"parts": PARTS})
        settings = {
            "dataset": "hashed",
            "encoder": "example",
            "strategy": "example",
            "targets": "energy",
            "head": {"name": "example"},
            "output": tmp_path / "runs",
            "epochs": 1,
            "device": "cpu",
            "quiet": True,
        }
        return train(**settings | options, registry=build_registry(path=plugin_folder.search))

    return run


@pytest.fixture
def fits(plugin_folder):
    """Return a function that says how many times the baseline was fitted."""

    def count():
        return sum(len(file.read_text()) for file in plugin_folder.path.rglob("fits"))

    return count


def test_it_stands_beside_the_others_on_the_same_crystals(fit):
    result = fit()
    baselines = result.baselines[KEY]
    assert set(baselines) == {"mean", "nearest"}
    assert baselines["nearest"]["count"] == result.metrics[KEY]["count"]
    assert not result.notes


def test_its_error_is_that_of_its_predictions_for_the_test_set(fit):
    result = fit()
    (prepared,) = result.run.datasets
    labels = {
        name: [float(prepared.dataset[index].labels["energy"]) for index in indices.tolist()]
        for name, indices in prepared.subsets.items()
    }
    mae = result.baselines[KEY]["nearest"]["mae"]
    # A nearest neighbour says a label of the training set, so that its error lies between these.
    errors = [[abs(label - known) for known in labels["train"]] for label in labels["test"]]
    assert sum(map(min, errors)) / len(errors) <= mae <= sum(map(max, errors)) / len(errors)


def test_it_is_made_once_whatever_the_run(fit, fits):
    first, second = fit(seed=0), fit(seed=1, batch_size=7)
    assert fits() == 1
    assert first.baselines[KEY]["nearest"] == second.baselines[KEY]["nearest"]
    assert len(list((data_folder() / "baselines").iterdir())) == 1


def test_it_is_made_again_for_other_crystals(fit, fits):
    fit()
    fit(split={"max_train_crystals": 10})
    fit(split={"seed": 1})
    assert fits() == 3


def test_it_is_made_again_where_a_default_changed(fit, fits, plugin_folder):
    fit()
    registry = build_registry(path=plugin_folder.search)
    config = registry.get("task-head", "nearest").load_config()
    config.model_fields["neighbours"].default = 2
    config.model_rebuild(force=True)
    fit()
    assert fits() == 2


@pytest.mark.parametrize("content", [b"", b"torn"])
def test_a_damaged_file_is_made_again(fit, fits, content):
    first = fit()
    (file,) = (data_folder() / "baselines").iterdir()
    file.write_bytes(content)
    assert fit().baselines[KEY]["nearest"] == first.baselines[KEY]["nearest"]
    assert fits() == 2


def test_nothing_is_kept_of_data_without_a_hash(fit, fits):
    first, second = fit(dataset="example"), fit(dataset="example")
    assert fits() == 2
    assert not (data_folder() / "baselines").exists()
    assert first.baselines["example/energy"] == second.baselines["example/energy"]


def test_the_run_is_the_same_without_it(fit):
    with_it, without = fit(), fit(baseline_crystals=0)
    assert with_it.metrics == without.metrics
    assert with_it.history["train/loss"] == without.history["train/loss"]


def test_none_where_the_run_says_so(fit, fits):
    result = fit(baseline_crystals=0)
    assert set(result.baselines[KEY]) == {"mean"}
    assert fits() == 0
    assert not result.notes


def test_none_above_the_number_of_crystals_and_a_note(fit, fits):
    assert "nearest" in fit(baseline_crystals=32).baselines[KEY]
    result = fit(baseline_crystals=31)
    assert set(result.baselines[KEY]) == {"mean"}
    assert fits() == 1
    assert result.notes == (
        "No baseline without a network was fitted for hashed: its 32 training crystals are more "
        "than training.baseline_crystals, 31.",
    )


def test_a_note_where_no_plugin_offers_one(fit):
    (note,) = fit(head=None, dataset="example").notes
    assert "'matsciml list-plugins --available --kind baseline'" in note


def test_none_for_labels_of_other_kinds_than_it_is_made_for(fit, plugin_folder):
    plugin_folder.add(
        "matsciml-tool-classes",
        "from matsciml_core import BaselineSpec, hookimpl\n\n@hookimpl\n"
        "def matsciml_baselines():\n    yield BaselineSpec(name='classes', summary='s', "
        "encoder='example', head='absent', target_kinds=('binary',))\n",
    )
    result = fit()
    assert set(result.baselines[KEY]) == {"mean", "nearest"}
    assert not result.notes


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("absent", "There is no task-head 'absent'"),
        ("steps", "The head 'steps' is not fitted at once"),
    ],
)
def test_one_that_fails_costs_its_row_only(fit, head, reason):
    result = fit(head=head)
    assert set(result.baselines[KEY]) == {"mean"}
    (note,) = result.notes
    assert note.startswith(f"There is no baseline 'nearest' for hashed: {reason}")


def test_what_takes_time_is_said(fit, capfd):
    fit(quiet=False)
    line = "baseline 'nearest': fitted on 32 crystals of hashed"
    assert capfd.readouterr().out.startswith(line)
    fit(quiet=False)
    assert line not in capfd.readouterr().out
