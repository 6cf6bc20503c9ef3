"""Spreads in units that can be compared, and the training set of a run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from matsciml_core import TargetInfo, load
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.split import make_split
from matsciml_core.testing.examples import ExampleDataset
from matsciml_core.testing.models import write_model
from matsciml_core.training.config import build_config, dump_config
from matsciml_core.training.run_folder import CONFIG
from matsciml_tool_select.pool import choose_label, embed, spread_of, spread_unit, training_crystals

FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å")
TOTAL = TargetInfo(name="total", kind="energy", unit="eV")


def candidate(spread, atoms=2):
    return SimpleNamespace(
        prediction=SimpleNamespace(spreads={"it": spread}), crystal=SimpleNamespace(num_atoms=atoms)
    )


def test_of_forces_the_atom_with_the_largest_spread_counts():
    spread = np.array([[0.3, 0.0, 0.4], [0.4, 0.1, 0.0]])
    assert spread_of(candidate(spread), "it", FORCES) == pytest.approx(0.5)
    assert spread_unit(FORCES) == "eV/Å"


def test_total_energies_are_compared_per_atom():
    assert spread_of(candidate(0.6, atoms=3), "it", TOTAL) == pytest.approx(0.2)
    assert spread_unit(TOTAL) == "eV/atom"


def test_the_label_is_that_of_the_forces_unless_named():
    uncertainties = {
        name: SimpleNamespace(spread=spread)
        for name, spread in (("gap", True), ("total", True), ("forces", True), ("bare", False))
    }
    gap = TargetInfo(name="gap", kind="scalar", unit="eV")
    targets = {"gap": gap, "total": TOTAL, "forces": FORCES, "bare": gap}
    model = SimpleNamespace(uncertainties=uncertainties, targets=targets, folder="here")
    assert choose_label(model, None) == "forces"
    assert choose_label(model, "gap") == "gap"
    del uncertainties["forces"]
    assert choose_label(model, None) == "total"
    with pytest.raises(ConfigError, match="knows no spread of bare; name an ensemble"):
        choose_label(model, "bare")
    with pytest.raises(ConfigError, match=r"predicts no 'gab'\. Did you mean 'gap'"):
        choose_label(model, "gab")


def test_the_embedding_of_an_ensemble_is_that_of_its_members_side_by_side(
    registry, model, ensemble, crystals
):
    one = embed(load(model, device="cpu", registry=registry), crystals, "crystals")
    both = embed(load(ensemble, device="cpu", registry=registry), crystals, "crystals")
    assert both.shape == (12, 2 * one.shape[1])
    np.testing.assert_array_equal(both[:, : one.shape[1]], one)


def test_training_crystals_are_those_of_the_run_s_split(registry, tmp_path):
    info = TargetInfo(name="energy", kind="scalar", unit="eV/atom")
    folder = write_model(tmp_path / "run", [info])
    model = load(folder, device="cpu", registry=registry)
    assert training_crystals(model, registry, 0) == []
    model.tasks = (SimpleNamespace(dataset="example"),)
    ids = ExampleDataset().ids
    parts = {"train": ids[3:6], "validation": ids[:1], "test": ids[1:2]}
    make_split("", None, parts).save(folder / "split-example.json")
    config = build_config({"datasets": [{"name": "example"}], "encoder": {"name": "example"}})
    (folder / CONFIG).write_text(yaml.safe_dump(dump_config(config)))
    assert [one.id for one in training_crystals(model, registry, 0)] == ids[3:6]
