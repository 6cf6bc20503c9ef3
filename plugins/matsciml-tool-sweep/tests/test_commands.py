"""``matsciml sweep``, with runs that cost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

from matsciml_core.training.config import build_config
from matsciml_core.training.config_data import read_config_file

ARGUMENTS = ("--dataset", "toy", "--encoder", "net", "--epochs", "2", "--jobs", "2")
VARY = ("--vary", "encoder.cutoff=4..8")
PROBE = """
import json, sys
import matsciml_tool_sweep.plugin, matsciml_tool_sweep.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture
def swept(cli, program, tmp_path):
    """A function that runs the command, and returns what it said and the folder it made."""

    def run(*arguments):
        done = cli("sweep", *ARGUMENTS, *arguments, "--output", str(tmp_path / "runs"))
        folders = list((tmp_path / "runs").glob("sweep-*"))
        return done, folders[0] if folders else None

    return run


def test_a_sweep_ends_in_a_table_a_page_and_a_configuration(swept):
    done, folder = swept(*VARY, "--trials", "4")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"Sweep: {folder}"
    heading = next(index for index, line in enumerate(lines) if line.startswith("rank"))
    assert lines[heading].split() == [
        "rank", "trial", "encoder.cutoff", "validation", "MAE", "(eV)", "epochs", "time", "state",
    ]  # fmt: skip
    table = [line.split() for line in lines[heading + 1 : heading + 5]]
    assert [row[0] for row in table] == ["1", "2", "3", "4"]
    values = [float(row[3]) for row in table]
    assert values == sorted(values)
    assert "the best so far" in done.out
    assert f"Best, trial {table[0][1]}: toy/gap, test MAE 77.0" in done.out
    assert lines[-2] == f"Page: {folder / 'sweep.html'}"
    assert lines[-1] == f"Repeat the best: matsciml run --config {folder / 'best.yaml'}"


def test_the_best_configuration_is_one_of_a_run(swept):
    _, folder = swept(*VARY, "--trials", "3")
    data = read_config_file(folder / "best.yaml")
    config = build_config(data)
    trials = json.loads((folder / "sweep.json").read_text())["trials"]
    assert config.encoder.options["cutoff"] == trials[0]["encoder.cutoff"]
    assert config.training.epochs == 2
    assert "output" not in data
    # Baselines are left out of the trials, not of the run that repeats the best.
    assert "baseline_crystals" not in data["training"]
    tried = yaml.safe_load((folder / "trials" / "0000" / "trial.yaml").read_text())
    assert tried["training"]["baseline_crystals"] == 0
    head = (folder / "best.yaml").read_text().splitlines()[0]
    assert head.startswith("# The best of 3 finished trials: validation MAE (eV) ")


def test_the_same_command_goes_on(swept):
    swept(*VARY, "--trials", "2")
    done, folder = swept(*VARY, "--trials", "3")
    assert done.out.count("[3/3] trial 2") == 1
    assert "trial 0 (" not in done.out
    again, same = swept(*VARY, "--trials", "3")
    assert same == folder
    assert "trial 2 (" not in again.out
    assert again.code == 0


def test_the_test_set_plays_no_part(swept):
    _, folder = swept(*VARY, "--trials", "3")
    assert "77" not in (folder / "sweep.csv").read_text()
    assert json.loads((folder / "sweep.json").read_text())["metric"] == "mae"
    page = (folder / "sweep.html").read_text()
    assert page.count("77.0") == 1  # of the best alone


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Nothing is varied; add --vary"),
        (("--vary", "encoder.cutof=4..8"), "Did you mean 'cutoff'"),
        (("--vary", "training.epochs=2..4"), "both given a value and varied"),
        ((*VARY, "--set", "encoder.cutoff=5"), "both given a value and varied"),
        ((*VARY, "--launcher", "slurn"), "no launcher 'slurn'"),
        ((*VARY, "--config", "nothing.yaml"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_written(swept, arguments, problem):
    done, folder = swept(*arguments)
    assert done.code == 2
    assert problem in done.error
    assert folder is None


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(swept, tmp_path, monkeypatch):
    monkeypatch.setenv("PAUSE", "0.7")

    def stop():
        deadline = time.monotonic() + 300
        pattern = "sweep-*/trials/0000/latest/checkpoints/last.ckpt"
        while not list((tmp_path / "runs").glob(pattern)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop).start()
    done, folder = swept(*VARY, "--trials", "9")
    assert done.code == 130
    assert "Interrupted; 0 of 9 trials are done and kept; what ran goes on" in done.err
    command = done.err.partition("Go on with: ")[2].split()
    assert command[:2] == ["matsciml", "sweep"]
    assert "encoder.cutoff=4..8" in command
    assert command[command.index("--trials") + 1] == "9"
    assert "--launcher" not in command  # the default
    assert (folder / "sweep.html").is_file()


def test_without_a_finished_trial_there_is_no_best(swept, monkeypatch):
    monkeypatch.setenv("FAIL_ABOVE", "0")
    done, folder = swept(*VARY, "--trials", "2")
    assert done.code == 1
    assert "failed. The moon is in the wrong place." in done.out
    assert "No trial has finished" in done.err
    assert not (folder / "best.yaml").exists()


def test_help_loads_nothing_heavy():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"optuna", "torch", "numpy", "yaml", "matplotlib"} & set(json.loads(output))
