"""The card of a model, from the records of a run."""

from __future__ import annotations

import pytest

from matsciml_tool_export.card import ModelCard

ENERGY = {"name": "energy", "kind": "energy", "unit": "eV"}
DIELECTRIC = {"name": "dielectric", "kind": "tensor", "rank": 2, "unit": "dimensionless"}
STABLE = {"name": "stable", "kind": "binary", "unit": "class", "description": "On | off\nthe hull."}


@pytest.fixture
def card():
    """Give a function that makes a card of labels and changes to ``run.json``."""

    def make(*labels, **changes):
        run = {
            "datasets": {},
            "parameters": {"total": 1234},
            "hardware": {"cpu": "A CPU", "gpu": None},
            "epochs": 3,
            "best_epoch": 2,
            "tested_epochs": [2],
            "seed": 0,
            "training_seconds": 12.3,
            "versions": {"torch": "2.13.0"},
            "plugins": {"matsciml-model-small": "0.1.0"},
            "citations": [],
        }
        model = {"encoder": {"name": "small"}, "heads": [{"targets": list(labels)}]}
        return ModelCard(name="tiny", run=run | changes, model=model)

    return make


def test_names_network_size_and_labels(card):
    summary = card(ENERGY, STABLE).summary()
    assert "`small` with 1,234 parameters" in summary
    assert "`energy` and `stable`" in summary


def test_labels_are_in_words_and_keep_the_table_whole(card):
    lines = card(ENERGY, DIELECTRIC, STABLE).labels().splitlines()
    assert "| `energy` | total energy of the cell | eV |" in lines[2]
    assert "| tensor, 3 x 3 | dimensionless |" in lines[3]
    assert lines[4] == "| `stable` | class 0 or 1 |  | On \\| off the hull. |"


def test_models_of_energies_are_calculators(card):
    assert "ModelCalculator(model)" in card(ENERGY).usage()
    assert "matsciml relax" in card(ENERGY).usage()
    assert "ModelCalculator" not in card(STABLE).usage()


def test_a_model_that_was_never_tested_says_so(card):
    assert "was not tested" in card(ENERGY).results()
    assert "was not tested" in card(ENERGY, metrics={"test": None}).results()


def test_a_metric_that_a_baseline_lacks_is_left_empty(card):
    metrics = {"mae": 0.25, "r2": None, "unit": "eV", "count": 1000}
    run = {
        "metrics": {"test": {"mine/energy": metrics}},
        "baselines": {"mine/energy": {"mean": {"mae": None}}},
    }
    table = card(ENERGY, **run).results()
    assert "`mine/energy`, 1,000 values:" in table
    assert "| predictor | mae (eV) |" in table
    assert "| **this model** | 0.25 |" in table
    assert "| mean |  |" in table


def test_seed_zero_is_a_seed(card):
    assert "| seed | 0 |" in card(ENERGY).training()


def test_what_a_model_started_from_is_its_hash(card):
    text = card(ENERGY, init={"hash": "abc"}).training()
    assert "SHA-256 `abc`" in text
    assert "but for the weights it started from" in text
