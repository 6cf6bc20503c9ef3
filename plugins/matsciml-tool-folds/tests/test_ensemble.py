"""Ensembles are calibrated on crystals that their members were not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from matsciml_core import build_registry, load
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.split import make_split
from matsciml_core.model.uncertainty import FEWEST
from matsciml_core.testing.examples import ExampleDataset
from matsciml_core.testing.models import write_model
from matsciml_tool_folds.ensemble import _held_out, make_ensemble

DATASET = ExampleDataset()
ENERGY = DATASET.targets["energy"]


@dataclass
class Constant:
    """A model that predicts one number, and notes what it was asked about."""

    value: float

    def stream(self, crystals):
        self.asked = [crystal.id for crystal in crystals]
        for _ in self.asked:
            yield SimpleNamespace(values={"energy": self.value})


def split(validation):
    """Return a split of the example that validates on some crystals and tests the next two."""
    ids = DATASET.ids
    parts = {
        "validation": [ids[k] for k in validation],
        "test": [ids[max(validation) + 1], ids[max(validation) + 2]],
    }
    train = [name for name in ids if name not in parts["validation"] + parts["test"]]
    return make_split("", None, {**parts, "train": train})


def test_a_crystal_is_predicted_by_those_members_that_have_not_seen_it():
    members = [Constant(1.0), Constant(3.0)]
    found = _held_out(members, [split([0, 1]), split([2, 3])], DATASET, "energy", ENERGY)
    assert [one.id for one in found.crystals] == DATASET.ids[:4]
    # The second and third are validation crystals of one member and test crystals of the other.
    assert members[0].asked == DATASET.ids[:4]
    assert members[1].asked == DATASET.ids[2:4]
    assert found.predictions == [[1.0], [1.0], [1.0, 3.0], [1.0, 3.0]]


def test_intervals_scale_with_the_spread_where_all_of_enough_members_are_new_to_the_crystals():
    for number, scale in ((FEWEST - 1, ""), (FEWEST, "spread")):
        members = [Constant(float(k)) for k in range(number)]
        splits = [split(range(30))] * number
        calibration = _held_out(members, splits, DATASET, "energy", ENERGY).calibration(
            ENERGY, number
        )
        assert calibration.scale == scale
        labels = np.array([DATASET[k].labels["energy"] for k in range(30)])
        scores = np.sort(np.abs(np.mean(range(number)) - labels))
        widths = scores / (np.std(range(number), ddof=1) if scale else 1.0)
        assert calibration.quantiles[0.9] == pytest.approx(widths[27])  # the 28th of 30


@pytest.fixture
def registry(plugin_folder):
    plugin_folder.add_examples()
    return build_registry(path=plugin_folder.search)


@pytest.fixture
def models(tmp_path):
    return [
        write_model(tmp_path / f"run-{k}", [ENERGY], constants={"mean": float(k)}) for k in (1, 2)
    ]


def test_a_copy_can_be_shared_and_gives_the_same(registry, models, tmp_path):
    made = make_ensemble(models, tmp_path / "both", registry, copy=True)
    for model in models:
        model.rename(model.with_name(f"gone-{model.name}"))
    loaded = load(tmp_path / "both", registry=registry, device="cpu")
    crystal = DATASET[0]
    assert loaded.predict(crystal)[0]["energy"] == made.predict(crystal)[0]["energy"]
    assert str(tmp_path) not in (tmp_path / "both" / "ensemble.json").read_text()


def test_models_without_a_run_folder_have_a_spread_and_no_interval(registry, models, tmp_path):
    made = make_ensemble(models, tmp_path / "both", registry)
    assert made.uncertainties["energy"].spread
    assert made.uncertainties["energy"].coverage is None


def test_one_model_is_no_ensemble(registry, models, tmp_path):
    with pytest.raises(ConfigError, match="at least two models"):
        make_ensemble([models[0], models[0]], tmp_path / "both", registry)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("name", ["run.json", "folds.json", "model.json", "notes.txt"])
def test_none_is_written_among_other_things(registry, models, tmp_path, name):
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / name).write_text("{}")
    with pytest.raises(ConfigError, match=f"'{name}' is there"):
        make_ensemble(models, folder, registry)
    assert [one.name for one in folder.iterdir()] == [name]


def test_an_ensemble_is_replaced_by_another(registry, models, tmp_path):
    third = write_model(tmp_path / "run-3", [ENERGY], constants={"mean": 9.0})
    make_ensemble(models, tmp_path / "both", registry)
    made = make_ensemble([models[0], third], tmp_path / "both", registry)
    assert [one.folder for one in made.members] == [models[0], third]


def test_copies_never_replace_members(registry, models, tmp_path):
    folder = tmp_path / "both"
    make_ensemble(models, folder, registry, copy=True)
    members = [folder / "member-2", folder / "member-1"]
    before = [(one / "model.json").read_bytes() for one in members]
    with pytest.raises(ConfigError, match="lies in the folder that the copies are written to"):
        make_ensemble(members, folder, registry, copy=True)
    assert [(one / "model.json").read_bytes() for one in members] == before
    make_ensemble(members, folder, registry)  # which writes nothing but their names


def test_copies_that_were_interrupted_are_no_obstacle(registry, models, tmp_path, monkeypatch):
    folder = tmp_path / "both"
    with monkeypatch.context() as patch:
        patch.setattr("matsciml_tool_folds.ensemble.write_ensemble", _stopped)
        with pytest.raises(KeyboardInterrupt):
            make_ensemble(models, folder, registry, copy=True)
    assert list(folder.iterdir()) == []
    (folder / ".0123.part").mkdir()  # as a killed one leaves it
    make_ensemble(models, folder, registry, copy=True)
    assert len(load(folder, registry=registry, device="cpu").members) == 2


def _stopped(*_):
    raise KeyboardInterrupt
