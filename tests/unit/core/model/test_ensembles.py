"""Several models as one: their mean, how far they differ, and what they were."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from matsciml_core import TargetInfo, load
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.model.ensembles import write_ensemble
from matsciml_core.model.location import find_model
from matsciml_core.model.trained import Ensemble
from matsciml_core.model.uncertainty import Calibration
from matsciml_core.testing.models import write_model

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
TEN = Calibration(scale="", count=40, quantiles={0.9: 10.0})


@pytest.fixture
def folder(tmp_path):
    """An ensemble of two models that differ by 2 eV for every crystal."""
    runs = [
        write_model(tmp_path / f"run-{k}", [GAP], constants={"mean": 2.0 * k}, elements=elements)
        for k, elements in enumerate((["Na", "Cl", "Fe"], ["Na", "Mg"]))
    ]
    (tmp_path / "both").mkdir()
    write_ensemble(tmp_path / "both", runs, {"mine/gap": TEN})
    return tmp_path / "both"


def test_the_mean_the_spread_and_the_interval(folder, registry, crystals):
    model = load(folder, registry=registry, device="cpu")
    first = load(folder.parent / "run-0", registry=registry, device="cpu")
    alone, found = (
        first.predict_crystals(crystals),
        model.predict_crystals(crystals, uncertainty=True),
    )
    for one, both in zip(alone, found, strict=True):
        assert both["gap"] == pytest.approx(one["gap"] + 1.0, abs=1e-5)
        assert both.spreads["gap"] == pytest.approx(math.sqrt(2.0), abs=1e-5)
        assert both.intervals["gap"] == pytest.approx((both["gap"] - 10, both["gap"] + 10))
    assert model.uncertainties["gap"].spread
    assert model.targets == {"gap": GAP}


def test_nothing_of_errors_is_given_unasked(folder, registry, crystals):
    (found,) = load(folder, registry=registry).predict(crystals[0])
    assert (found.spreads, found.intervals) == ({}, {})


def test_only_elements_that_no_member_has_seen_are_unseen(folder, registry, crystals):
    model = load(folder, registry=registry)
    assert model.elements == ("Cl", "Fe", "Mg", "Na")
    for one, crystal in zip(model.predict_crystals(crystals), crystals, strict=True):
        assert one.unseen_elements == model.unseen(crystal)


def test_it_moves_with_its_members_and_to_another_precision(folder, registry, tmp_path, crystals):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("both", "run-0", "run-1"):
        shutil.move(tmp_path / name, moved / name)
    model = load(moved / "both", registry=registry).to(precision="float64")
    assert isinstance(model, Ensemble)
    assert str(model.dtype) == "torch.float64"
    assert np.isfinite(model.predict_crystals(crystals[:1])[0]["gap"])
    assert model.identity.startswith(model.fingerprint)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_member_that_was_changed_is_refused(folder, registry, name):
    with (folder.parent / "run-1" / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(DataError, match="is not the model that the ensemble"):
        load(folder, registry=registry)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "matsciml-ensemble"}'])
def test_other_files_are_refused(folder, registry, content):
    (folder / "ensemble.json").write_text(content)
    with pytest.raises(DataError, match="cannot be read as an ensemble"):
        load(folder, registry=registry)


def test_paths_are_relative_and_absolute_ones_refused(folder, registry):
    data = json.loads((folder / "ensemble.json").read_text())
    assert [entry["path"] for entry in data["members"]] == ["../run-0", "../run-1"]
    data["members"][0]["path"] = str(folder.parent / "run-0")
    (folder / "ensemble.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="absolute path"):
        load(folder, registry=registry)


def test_what_needs_an_encoder_says_that_one_model_is_needed(folder, registry):
    model = load(folder, registry=registry)
    with pytest.raises(ConfigError, match="an ensemble of 2 models, and one is needed"):
        model.encoder  # noqa: B018 - what is read raises
    with pytest.raises(ConfigError, match="name one of the folders"):
        find_model(folder)


def test_models_of_other_labels_are_no_members(folder, registry, tmp_path):
    other = TargetInfo(name="gap", kind="scalar", unit="eV/atom")
    runs = [tmp_path / "run-0", write_model(tmp_path / "other", [other])]
    write_ensemble(folder, runs, {})
    with pytest.raises(ConfigError, match="different labels"):
        load(folder, registry=registry)


def test_a_model_of_which_nothing_is_known_says_so(folder, registry, tmp_path, crystals):
    with pytest.raises(ConfigError, match="neither a spread nor an interval"):
        load(tmp_path / "run-0", registry=registry).predict(crystals[0], uncertainty=True)
