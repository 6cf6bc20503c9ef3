"""Runs without epochs: descriptors with trees, and probes of a trained encoder."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import matsciml_core
from matsciml_core import RunInterrupted
from matsciml_core.data.loader import CrystalLoader
from matsciml_core.errors import ConfigError
from matsciml_core.testing.crystals import rutile


def trained(folder, **request):
    split = {"max_train_crystals": 150}
    return matsciml_core.train(dataset="mp", split=split, output=folder, quiet=True, **request)


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    """A run of descriptors and trees."""
    folder = tmp_path_factory.mktemp("forest")
    return trained(folder, encoder="descriptors", head={"name": "trees", "trees": 20})


def test_the_run_is_finished_like_any_other(forest):
    summary = json.loads((forest.folder / "run.json").read_text())
    assert summary["status"] == "finished"
    assert (summary["epochs"], summary["best_epoch"]) == (1, 1)
    assert summary["parameters"]["encoder"] == 0
    baselines = forest.baselines["mp/formation_energy_per_atom"]
    assert set(baselines) >= {"mean", "composition"}
    assert "trees" not in baselines, "a run is no baseline of itself"
    assert "validation/mp/formation_energy_per_atom/mae" in forest.history
    config = (forest.folder / "config.yaml").read_text()
    assert "name: probe" in config


def test_what_trains_no_epochs_is_spared_the_import_of_lightning(tmp_path):
    code = (
        "import sys, matsciml_core\n"
        "matsciml_core.train(dataset='mp', encoder='descriptors', head='ridge', quiet=True, "
        "split={'max_train_crystals': 60}, output=sys.argv[1])\n"
        "print('pytorch_lightning' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


def test_trees_are_better_than_the_mean(forest):
    assert forest.metrics["mp/formation_energy_per_atom"]["skill"] > 0.6


def test_a_saved_forest_predicts_the_same(forest):
    model = matsciml_core.load(forest.folder)
    crystals = [rutile()]
    expected = forest.model.predict(crystals)[0]["formation_energy_per_atom"]
    assert model.predict(crystals)[0]["formation_energy_per_atom"] == expected
    double = model.to(precision="float64").predict(crystals)[0]["formation_energy_per_atom"]
    assert double == pytest.approx(expected, abs=0.2)


def test_the_spread_of_the_trees_is_the_uncertainty(forest):
    model = matsciml_core.load(forest.folder)
    batch = model.batch([rutile()])
    head = model.tasks[0].head
    spread = head.uncertainty(model.encoder(batch), batch)["formation_energy_per_atom"]
    assert 0.0 < spread.item() < 3.0
    assert spread.dtype == torch.float64


def test_without_a_head_descriptors_get_trees(tmp_path):
    result = trained(tmp_path, encoder="descriptors", targets=["is_stable"], head={"trees": 5})
    assert "trees" in json.loads((result.folder / "model.json").read_text())["heads"][0]["name"]
    assert result.metrics["mp/is_stable"]["accuracy"] > 0.5


def test_a_perceptron_can_be_trained_on_descriptors(tmp_path):
    result = trained(tmp_path, encoder="descriptors", head={"name": "regression"}, epochs=1)
    assert np.isfinite(result.metrics["mp/formation_energy_per_atom"]["mae"])
    baselines = result.baselines["mp/formation_energy_per_atom"]
    assert baselines["trees"]["mae"] < 0.5 * baselines["mean"]["mae"]


def test_a_probe_reads_a_trained_encoder_that_stays_as_it_is(tmp_path):
    first = trained(tmp_path, encoder="megnet", epochs=1)
    probe = trained(
        tmp_path,
        targets=["formation_energy_per_atom", "band_gap"],
        init={"model": str(first.folder)},
        strategy="probe",
        head={"name": "ridge"},
    )
    before, after = first.run.encoder.state_dict(), probe.run.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    key = "mp/formation_energy_per_atom"
    assert probe.metrics[key]["mae"] < 0.8 * probe.baselines[key]["mean"]["mae"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"encoder": "megnet", "strategy": "probe"}, "start from a trained model"),
        ({"encoder": "descriptors", "strategy": "single", "head": {"name": "trees"}}, "at once"),
        (
            {"encoder": "descriptors", "strategy": "probe", "head": {"name": "regression"}},
            "wants gradient steps",
        ),
        ({"encoder": "descriptors", "head": {"name": "trees"}, "epochs": 3}, "training.epochs"),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path, request_, message):
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path, **request_)


def test_a_probe_that_is_interrupted_can_be_started_again(tmp_path, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CrystalLoader, "__iter__", stop)
        with pytest.raises(RunInterrupted) as caught:
            trained(tmp_path, encoder="descriptors", head={"name": "ridge"})
    assert not caught.value.resumable
    folder = caught.value.folder
    assert not (folder / "run.json").exists()
    with pytest.raises(ConfigError, match="start again with"):
        matsciml_core.train(resume=folder)
    again = matsciml_core.train(folder / "config.yaml", quiet=True)
    assert again.metrics["mp/formation_energy_per_atom"]["skill"] > 0.5
