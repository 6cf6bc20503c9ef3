"""``matsciml benchmark`` and ``reproduce`` with real runs of the smallest components."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.testing.plugin_folder import PluginFolder

TABLE = """
name: own
title: A table of small runs
encoders:
  small: {name: example, width: 4}
metrics: {energy: mae}
budgets:
  mini: {about: hardly anything, epochs: 2}
rows:
  - {name: alone, title: Energy, datasets: [example], targets: [energy],
     strategy: example, settings: {head: {name: example}}}
  - {name: wrong, title: A learning rate that cannot be, datasets: [example], targets: [energy],
     strategy: example, settings: {head: {name: example}, training: {learning_rate: -1}}}
"""
ROWS = """
encoders: {small: {name: example, width: 4}}
rows:
  - {name: own, title: Own, datasets: [example], targets: [energy], encoders: [small],
     strategy: example, settings: {head: {name: example}}, metrics: {energy: mae},
     published: [{value: 0.5, encoder: small, unit: eV}]}
"""

pytestmark = pytest.mark.slow
Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def variables(module_plugin_folder: PluginFolder) -> dict[str, str]:
    """Variables with which this process and the runs that it starts see the examples."""
    module_plugin_folder.add_examples()
    return {**os.environ, "PYTHONPATH": str(module_plugin_folder.path)}


@pytest.fixture(scope="module")
def matsciml(variables: dict[str, str]) -> Program:
    """A function that runs ``matsciml``."""

    def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "matsciml_cli", *arguments]
        return subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, matsciml: Program) -> Path:
    """A folder with a table's file, filled once."""
    path = tmp_path_factory.mktemp("benchmark")
    (path / "own.yaml").write_text(TABLE, encoding="utf-8")
    outcome = matsciml("benchmark", "own.yaml", "--jobs", "2", folder=path)
    assert outcome.returncode == 1, outcome.stderr  # one experiment fails
    return path


def entries_of(folder: Path) -> dict[str, Any]:
    data = json.loads((folder / "runs" / "own-mini" / "table.json").read_text("utf-8"))
    return {entry["experiment"]: entry for entry in data["entries"]}


def test_a_table_has_numbers_of_real_runs(folder):
    alone = entries_of(folder)["own/alone/small"]
    assert alone["state"] == "finished"
    assert alone["mean"] == alone["mae"] > 0
    assert alone["unit"] == "eV/atom"
    assert alone["baseline_name"] == "trees"
    assert alone["parameters"] > 100


def test_the_failed_experiment_says_why_and_the_others_are_not_repeated(folder, matsciml):
    wrong = entries_of(folder)["own/wrong/small"]
    assert wrong["state"] == "failed"
    assert wrong["remark"].startswith("'training.learning_rate' is -1")
    before = sorted(folder.glob("runs/own-mini/experiments/*/*/*/*-example-*"))
    outcome = matsciml("benchmark", "own.yaml", folder=folder)
    assert outcome.returncode == 1
    assert "1 of 2 runs are finished, 1 to go." in outcome.stdout
    assert "1 run failed" in outcome.stderr
    assert sorted(folder.glob("runs/own-mini/experiments/*/*/*/*-example-*")) == before


def test_a_finished_experiment_is_shown_without_being_run(folder, matsciml):
    (folder / "rows.yaml").write_text(ROWS, encoding="utf-8")
    arguments = ["reproduce", "table2/own/small", "--budget", "devset", "--rows", "rows.yaml"]
    first = matsciml(*arguments, folder=folder)
    assert first.returncode == 0, first.stderr
    assert "0 of 1 runs are finished, 1 to go." in first.stdout
    second = matsciml(*arguments, folder=folder)
    assert second.returncode == 0
    assert "1 of 1 runs are finished, 0 to go." in second.stdout
    assert "0.5" in second.stdout


def test_a_stop_keeps_what_is_finished(tmp_path, variables):
    text = TABLE.replace("epochs: 2", "epochs: 30000")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "matsciml_cli", "benchmark", "own.yaml", "--only", "alone"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    experiment = tmp_path / "runs" / "own-mini" / "experiments" / "alone" / "small" / "seed-0"
    deadline = time.monotonic() + 240
    while not (experiment / "latest" / "metrics.csv").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)  # which tests in the background do not ignore
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted; 1 of 1 runs are left. Go on with: matsciml benchmark" in out
    assert json.loads((experiment / "experiment.json").read_text())["state"] == "interrupted"
