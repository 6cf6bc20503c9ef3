"""``matsciml info training``: the settings of a run, and names that lead to them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from matsciml_cli._run_settings import find_settings, run_settings
from matsciml_core.training.config import InitConfig, RunConfig, SplitConfig, TrainingConfig

MODELS = {"training": TrainingConfig, "split": SplitConfig, "init": InitConfig, "run": RunConfig}


def fields(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def test_every_section_is_whole() -> None:
    sections = run_settings()
    assert sections.keys() == MODELS.keys()
    for section, settings in sections.items():
        prefix = "" if section == "run" else f"{section}."
        names = [f"{prefix}{name}" for name in MODELS[section].model_fields]
        assert [setting.name for setting in settings] == names
        assert all(setting.type and setting.description for setting in settings)


@pytest.mark.parametrize("section", MODELS)
def test_a_section_comes_first_and_the_others_follow(cli: Callable[..., Any], section: str) -> None:
    outcome = cli("info", section)
    assert (outcome.code, outcome.err) == (0, "")
    titles = [line for line in outcome.out.splitlines() if not line.startswith(" ")]
    assert titles[0] == section
    assert sorted(titles) == sorted(MODELS)


def test_type_default_and_meaning(cli: Callable[..., Any]) -> None:
    lines = [fields(line) for line in cli("info", "training").out.splitlines()]
    assert ["training.epochs", "PositiveInt", "= 20", "Passes over the training split."] in lines
    assert ["output", "str", "= runs", "Folder that receives the run folder."] in lines


@pytest.mark.parametrize(
    ("name", "setting", "remark"),
    [
        ("epochs", "training.epochs", ""),
        ("training.epochs", "training.epochs", ""),
        ("lr", "training.learning_rate", "'lr' is called 'training.learning_rate' here."),
        ("training.bs", "training.batch_size", "is called 'training.batch_size' here."),
        ("ema", "training.average_decay", "is called"),
        ("monitor", "training.epochs", "evaluated after every epoch"),
        ("optimizer", "training.optimiser", "It is adamw or muon."),
        ("epohs", "training.epochs", "There is no setting 'epohs'; the closest is"),
        ("learning-rate", "training.learning_rate", "There is no setting"),
    ],
)
def test_a_name_leads_to_a_setting(
    cli: Callable[..., Any], name: str, setting: str, remark: str
) -> None:
    outcome = cli("info", name)
    assert outcome.code == 0
    title, line = outcome.out.splitlines()
    assert (title, fields(line)[0]) == ("settings", setting)
    assert remark in outcome.err
    assert bool(outcome.err) is bool(remark)


def test_a_name_of_two_settings(cli: Callable[..., Any]) -> None:
    lines = cli("info", "seed").out.splitlines()[1:]
    assert [fields(line)[0] for line in lines] == ["training.seed", "split.seed"]


@pytest.mark.parametrize("name", ["mace", "megnett", "no such thing", ""])
def test_other_names_are_those_of_components(cli: Callable[..., Any], name: str) -> None:
    assert find_settings(name) is None
    assert "There is nothing called" in cli("info", name).error


def test_a_component_of_that_name_wins(cli: Callable[..., Any], plugin_folder: Any) -> None:
    plugin_folder.add(
        "matsciml-data-training",
        "from matsciml_core import DatasetSpec, hookimpl\n"
        "@hookimpl\ndef matsciml_datasets():\n"
        "    yield DatasetSpec(name='training', summary='s', class_path='a:B')\n",
    )
    assert cli("info", "training").out.startswith("dataset training\n")
    assert "no encoder 'training'" in cli("info", "training", "--kind", "encoder").error


def test_json(cli: Callable[..., Any]) -> None:
    data = cli("info", "monitor", "--json").data
    assert data["schema"] == 1
    (setting,) = data["settings"]
    assert (setting["name"], setting["default"]) == ("training.epochs", 20)
    assert "evaluated after every epoch" in data["remark"]
    text = " ".join(cli("info", "--help").out.split())
    assert all(f"`{key}`" in text for key in (*data, *setting))


def test_it_is_light() -> None:
    code = (
        "import sys; from matsciml_cli.app import execute; execute(['info', 'training']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pydantic')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
