"""``matsciml folds``: options of a run and of folds, and a start without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from matsciml_core import TargetInfo
from matsciml_core.testing.models import write_model

PLUGIN = """
    from matsciml_tool_folds.plugin import matsciml_commands

    __all__ = ["matsciml_commands"]
"""
PROBE = """
import json, sys
import matsciml_tool_folds.plugin, matsciml_tool_folds.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
NAMES = ("--dataset", "example", "--encoder", "example", "--strategy", "example")


@pytest.fixture
def command(cli, plugin_folder):
    plugin_folder.add_examples()
    plugin_folder.add("matsciml-tool-folds", PLUGIN)
    return cli


def test_the_command_loads_no_torch():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "yaml", "pydantic"} & set(json.loads(output))


def test_folds_are_trained_as_the_options_say(command, tmp_path):
    outcome = command(
        "folds", *NAMES, "--epochs", "1", "--set", "split.seed=3", "--number", "2",
        "--set", "training.loggers=[]", "--output", str(tmp_path / "cv"),
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "Fold 2 of 2" in outcome.out
    assert "over 2 of 2 folds" in outcome.out
    assert f"Report: {tmp_path / 'cv' / 'report.html'}" in outcome.out
    record = json.loads((tmp_path / "cv" / "folds.json").read_text())
    assert (record["folds"]["number"], record["folds"]["seed"]) == (2, 3)


@pytest.mark.parametrize("words", [("--folds", "2"), ("--folds=2",)], ids="-".join)
def test_a_run_with_folds_is_the_same_command(command, tmp_path, words):
    output = tmp_path / "cv"
    outcome = command(
        "run", *words, *NAMES, "--epochs", "1", "--set", "training.loggers=[]", "-o", str(output)
    )
    assert outcome.code == 0, outcome.err
    assert "over 2 of 2 folds" in outcome.out
    assert json.loads((output / "folds.json").read_text())["folds"]["number"] == 2


def test_a_run_names_the_option_in_its_help(command):
    assert "--folds, see matsciml folds" in command("run", "--help").out


def test_folds_that_are_no_number_are_refused(command):
    assert "--number" in command("run", *NAMES, "--folds", "many").error


def test_a_misspelt_name_is_answered_before_anything_is_made(command, tmp_path):
    output = tmp_path / "cv"
    outcome = command("folds", "--dataset", "exampel", "--encoder", "example", "-o", str(output))
    assert "Did you mean 'example'" in outcome.error
    assert not output.exists()


def test_models_become_an_ensemble_that_is_not_replaced_unasked(command, tmp_path):
    energy = TargetInfo(name="energy", kind="scalar", unit="eV/atom")
    runs = [
        str(write_model(tmp_path / name, [energy], constants={"mean": mean}))
        for name, mean in (("one", 0.0), ("two", 1.0))
    ]
    output = str(tmp_path / "both")
    outcome = command("ensemble", *runs, "--output", output)
    assert outcome.code == 0, outcome.err
    assert "Ensemble of 2 models" in outcome.out
    assert "energy: spread; no interval, which needs at least 9 validation" in outcome.out
    assert "give --replace" in command("ensemble", *runs, "--output", output).error


def test_folds_in_time_say_what_they_assume(command, tmp_path):
    arguments = ["--dataset", "example", "--encoder", "example", "--strategy", "example"]
    arguments += ["--epochs", "1", "-n", "2", "-o", str(tmp_path / "cv")]
    outcome = command("folds", *arguments, "--by", "time")
    assert outcome.code == 0, outcome.err
    assert "Note: No crystal is of a trajectory" in outcome.out
