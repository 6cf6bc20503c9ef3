"""``matsciml benchmark``, ``reproduce``, ``report`` and ``leaderboard`` with real runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from matsciml_cli.app import execute

TABLE = """
name: own
title: A table of small runs
encoders:
  small: {name: egnn, width: 4, num_layers: 1, cutoff: 4}
metrics: {formation_energy_per_atom: mse}
budgets:
  mini:
    about: hardly anything
    epochs: 2
    crystals: 400
    datasets: {mp: {max_atoms: 3}}
rows:
  - {name: alone, title: Formation energy, datasets: [mp], targets: [formation_energy_per_atom],
     reference: true}
  - {name: pair, title: Two labels, datasets: [mp], strategy: pcgrad,
     targets: [formation_energy_per_atom, space_group]}
  - {name: wrong, title: No such label, datasets: [mp], targets: [formation_energy_per_atom],
     settings: {training: {learning_rate: -1}}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with a table's file, filled once."""
    path = tmp_path_factory.mktemp("benchmark")
    (path / "own.yaml").write_text(TABLE, encoding="utf-8")
    assert fill(path) == 1  # one experiment fails
    return path


def fill(path, *more):
    arguments = ("benchmark", str(path / "own.yaml"), "--output", str(path / "runs"))
    return execute([*arguments, "--jobs", "2", *more])


def entries_of(path):
    data = json.loads((path / "runs" / "own-mini" / "table.json").read_text("utf-8"))
    return {(entry["experiment"], entry["label"]): entry for entry in data["entries"]}


def test_a_table_has_numbers_of_real_runs(folder):
    entries = entries_of(folder)
    alone = entries["own/alone/small", "formation_energy_per_atom"]
    assert alone["state"] == "finished"
    # Two epochs do not beat the trees, which are the baseline; the loss is a mean square, however.
    assert alone["baseline_name"] == "trees"
    assert 0 < alone["baseline"] < alone["mean"] < 2.0
    assert alone["unit"] == "(eV/atom)²"
    assert alone["training_crystals"] < 400
    assert alone["parameters"] > 1000
    assert entries["own/pair/small", "space_group"]["metric"] == "accuracy"


def test_the_failed_experiment_says_why_and_the_others_are_not_repeated(folder, capsys):
    wrong = entries_of(folder)["own/wrong/small", "formation_energy_per_atom"]
    assert wrong["state"] == "failed"
    assert wrong["remark"].startswith("'training.learning_rate' is -1")
    before = sorted(folder.glob("runs/own-mini/experiments/*/*/*/*-mp-*"))
    assert fill(folder) == 1
    assert "2 of 3 runs are finished, 1 to go." in capsys.readouterr().out
    assert sorted(folder.glob("runs/own-mini/experiments/*/*/*/*-mp-*")) == before


def test_a_finished_experiment_is_shown_without_being_run(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    rows = folder / "rows.yaml"
    rows.write_text(
        "encoders: {small: {name: egnn, width: 4, num_layers: 1, cutoff: 4}}\n"
        "rows: [{name: own, title: Own, datasets: [mp], targets: [formation_energy_per_atom],"
        " encoders: [small], settings: {dataset: {max_atoms: 2}},"
        " published: [{value: 0.5, encoder: small, unit: eV}]}]\n"
    )
    arguments = ["reproduce", "table2/own/small", "--budget", "devset", "--rows", str(rows)]
    assert execute(arguments) == 0
    assert "0 of 1 runs are finished, 1 to go." in capsys.readouterr().out
    assert execute(arguments) == 0
    out = capsys.readouterr().out
    assert "1 of 1 runs are finished, 0 to go." in out
    assert "0.5" in out


def test_runs_of_the_table_are_compared_and_ranked(folder, capsys):
    page, site = folder / "comparison.html", folder / "site"
    assert execute(["report", str(folder / "runs" / "own-mini"), "--output", str(page)]) == 0
    assert "Comparison of 2 runs" in capsys.readouterr().out
    assert "Validation MAE, mp/formation energy per atom" in page.read_text("utf-8")
    assert execute(["leaderboard", str(folder / "runs" / "own-mini"), "--output", str(site)]) == 0
    entries = json.loads((site / "index.json").read_text("utf-8"))["entries"]
    assert {one["place"] for one in entries if one["label"] == "formation_energy_per_atom"} == {
        1, 2,
    }  # fmt: skip


def test_the_report_of_one_run_is_drawn_again(folder, capsys):
    run = folder / "runs" / "own-mini" / "experiments" / "alone" / "small" / "seed-0" / "latest"
    before = (run / "report.html").read_text("utf-8")
    (run / "report.html").unlink()
    assert execute(["report", str(run)]) == 0
    assert (run / "report.html").read_text("utf-8") == before


def test_a_stop_keeps_what_is_finished_and_an_interrupted_run_can_be_reported(tmp_path):
    text = TABLE.replace("epochs: 2", "epochs: 3000").replace("crystals: 400", "crystals: 40")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "matsciml_cli", "benchmark", str(tmp_path / "own.yaml")]
    command += ["--only", "alone", "--output", str(tmp_path / "runs")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    experiment = tmp_path / "runs" / "own-mini" / "experiments" / "alone" / "small" / "seed-0"
    deadline = time.monotonic() + 240
    while not (experiment / "latest" / "metrics.csv").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)  # which tests in the background do not ignore
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted; 1 of 1 runs are left. Go on with: matsciml benchmark" in out
    assert json.loads((experiment / "experiment.json").read_text())["state"] == "interrupted"
    assert execute(["report", str(experiment / "latest")]) == 0
    assert "The run folder has no run.json." in (experiment / "latest" / "report.html").read_text(
        "utf-8"
    )
