"""Names of other frameworks lead to the settings of a run."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from matsciml_core.errors import ConfigError
from matsciml_core.registry import setting_names
from matsciml_core.registry.setting_names import setting_hint, suggest_setting
from matsciml_core.training.config import (
    InitConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
    build_config,
)

ENTRIES = json.loads(setting_names._FILE.read_text("utf-8"))
SECTIONS = {"training": TrainingConfig, "split": SplitConfig, "init": InitConfig}
RUN: dict[str, Any] = {"datasets": ["mine"], "encoder": "net"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["names"][0])
def test_the_setting_exists(entry):
    section, _, name = entry["setting"].rpartition(".")
    model = SECTIONS[section] if section else RunConfig
    assert name in model.model_fields


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["names"][0])
def test_no_name_is_one_of_ours(entry):
    section = entry["setting"].partition(".")[0]
    ours = {"dataset", "target", *RunConfig.model_fields}
    ours |= set(SECTIONS[section].model_fields) if section in SECTIONS else set()
    assert not ours & set(entry["names"])
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in entry["names"])
    assert entry.get("sentence", "x.")[-1] == "." or "sentence" not in entry


def test_every_name_has_one_meaning():
    names = [name for entry in ENTRIES for name in entry["names"]]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("ema", "training.average_decay"), ("lr", "training.learning_rate"),
        ("batch", "training.batch_size"), ("bs", "training.batch_size"),
        ("wd", "training.weight_decay"), ("max_epochs", "training.epochs"),
        ("num-epochs", "training.epochs"), ("LR", "training.learning_rate"),
        ("early_stopping", "training.patience"), ("optimizer", "training.optimiser"),
    ],
)  # fmt: skip
def test_usual_names(name, setting):
    assert setting_hint(name).setting == setting


def test_what_nothing_is_known_about():
    assert setting_hint("flux_capacitor") is None
    assert suggest_setting("flux_capacitor", ["epochs"]) == ""


def test_the_meaning_comes_before_the_spelling():
    assert suggest_setting("batch", ["batch_size", "cache"], section="training") == (
        " Did you mean 'batch_size'?"
    )


def test_settings_of_components_are_compared_by_spelling_first():
    assert suggest_setting("hidden", ["hidden_widths"], section="encoder") == (
        " Did you mean 'hidden_widths'?"
    )
    assert "training.learning_rate" in suggest_setting("lr", ["width"], section="encoder")
    assert suggest_setting("dropout", ["rank"], section="encoder") == ""


def test_what_does_not_exist_is_said():
    advice = suggest_setting("monitor", TrainingConfig.model_fields, section="training")
    assert advice == (
        " The validation set is evaluated after every epoch, and the best epoch is kept. The "
        "nearest setting is 'epochs'."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"training": {"lr": 1}},
            "'training.lr' is not a setting. Did you mean 'learning_rate'",
        ),
        ({"training": {"monitor": 1}}, "evaluated after every epoch"),
        ({"lr": 1}, "'lr' is not a section of a run. Did you mean 'training.learning_rate'?"),
        ({"optimizer": "adam"}, "It is adamw or muon."),
        ({"split": {"fractions": 1}}, "data split --fractions"),
    ],
)
def test_errors_of_a_configuration_use_them(change, words):
    with pytest.raises(ConfigError) as caught:
        build_config({**RUN, **change})
    assert words in str(caught.value)
