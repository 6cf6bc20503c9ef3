"""Records in the form of the package ``matbench``, and with its scores."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from matsciml_core.errors import DataError
from matsciml_core.files import write_json
from matsciml_tool_matbench.preparing import published_folds
from matsciml_tool_matbench.record import comparison, make_record, scores
from matsciml_tool_matbench.tasks import find_task

PACKAGE = "matbench==0.6"
READ = """
import json, sys
from matbench.bench import MatbenchBenchmark
from matbench.data_ops import score_array
from matbench.metadata import mbv01_validation
record, truth, folds = sys.argv[1:]
benchmark = MatbenchBenchmark.from_file(record)
task = benchmark.matbench_jdft2d
labels = json.load(open(truth))
scores = {
    fold: score_array(
        [labels[id] for id in entry["data"]], [float(v) for v in entry["data"].values()],
        "regression",
    )
    for fold, entry in task.results.items()
}
published = {
    name: [list(fold["test"]) for fold in mbv01_validation.splits["matbench_" + name].values()]
    for name in json.load(open(folds))
}
print("RESULT" + json.dumps({
    "valid": benchmark.is_valid, "recorded": benchmark.is_recorded, "scores": scores,
    "mae": task.scores.mae.mean, "same": published == json.load(open(folds)),
}))
"""


def write_folds(folder, task, folds, predict):
    """Write what ``matsciml folds`` leaves, of made-up labels; return these, as published."""
    random = np.random.default_rng(0)
    folder.mkdir()
    labels = {}
    with (folder / "predictions.csv").open("w", newline="") as stream:
        header = ["fold", "dataset", "target", "id", "index", "label", "prediction", "probability"]
        writer = csv.writer(stream)
        writer.writerow(header)
        for fold, ids in enumerate(folds.values(), start=1):
            for id in ids:
                label = float(int(id[-1]) % 2) if task.is_class else random.normal()
                labels[id] = label / task.factor
                row = [fold, task.dataset, task.label, id, 0, label, *predict(label)]
                writer.writerow(row)
    write_json(
        folder / "assignment.json",
        {f"fold-{k}": list(ids) for k, ids in enumerate(folds.values(), start=1)},
    )
    return labels


@pytest.fixture
def jdft2d(tmp_path):
    task = find_task("jdft2d")
    labels = write_folds(
        tmp_path / "cv", task, published_folds(task), lambda label: (label + 0.02, "")
    )
    return task, tmp_path / "cv", labels


def test_errors_are_in_the_published_unit(jdft2d):
    task, folder, labels = jdft2d
    record = make_record([folder], {"algorithm": "mine"})
    results = record["tasks"]["matbench_jdft2d"]["results"]
    assert list(results) == [f"fold_{k}" for k in range(5)]
    for entry in results.values():
        assert entry["scores"]["mae"] == pytest.approx(20.0)  # 0.02 eV/atom in meV/atom
        assert entry["scores"]["max_error"] == pytest.approx(20.0)
    assert results["fold_0"]["data"]["mb-jdft2d-012"] == pytest.approx(
        labels["mb-jdft2d-012"] + 20.0
    )
    rows = comparison(task, results)
    assert rows[0][0] == "this model"
    assert rows[1][0] == "MODNet v0.1.12"


def test_scores_are_those_of_their_definitions():
    task = find_task("mp_gap")
    truth, predictions = np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 4.0])
    found = scores(task, truth, predictions)
    assert found == {
        "mae": pytest.approx(2 / 3),
        "rmse": pytest.approx(np.sqrt(2 / 3)),
        "mape": pytest.approx(0.25),  # without the label that is zero
        "max_error": 1.0,
    }
    metal = scores(
        find_task("mp_is_metal"), np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.6, 0.4, 0.9])
    )
    assert metal == {"accuracy": 0.5, "balanced_accuracy": 0.5, "f1": 0.5, "rocauc": 0.75}


def test_classes_are_recorded_as_the_probability_of_the_second(small, tmp_path):
    task, _ = small("mp_is_metal")
    folds = published_folds(task, [index % 2 == 0 for index in range(task.size)])
    write_folds(tmp_path / "cv", task, folds, lambda label: (0, 0.8) if label else (1, 0.7))
    data = make_record([tmp_path / "cv"], {})["tasks"]["matbench_mp_is_metal"]["results"]
    assert {round(value, 6) for entry in data.values() for value in entry["data"].values()} <= {
        0.2, 0.7,
    }  # fmt: skip


def test_an_unfinished_fold_is_not_recorded(jdft2d):
    _, folder, _ = jdft2d
    lines = (folder / "predictions.csv").read_text().splitlines()
    (folder / "predictions.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(DataError, match=r"Fold 5 of 5 .* lacks predictions"):
        make_record([folder], {})


def test_a_folder_of_something_else_is_rejected(tmp_path):
    with pytest.raises(DataError, match="name a folder of matsciml folds"):
        make_record([tmp_path], {})


@pytest.mark.slow
def test_the_package_takes_the_record_and_has_the_same_folds_and_scores(jdft2d, tmp_path):
    pytest.importorskip("matminer", reason="the package needs it")
    # Without its pins, which are of versions from 2022 that nothing else here can use.
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target"]
    try:
        subprocess.run(
            [*install, str(tmp_path / "site"), PACKAGE],
            check=True,
            capture_output=True,
            timeout=240,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"{PACKAGE} cannot be installed here")
    _, folder, labels = jdft2d
    record = make_record([folder], {"algorithm": "mine"})
    write_json(tmp_path / "results.json", record)
    write_json(tmp_path / "labels.json", labels)
    names = ("jdft2d", "phonons", "dielectric", "log_gvrh", "perovskites", "mp_gap", "mp_e_form")
    folds = {name: list(published_folds(find_task(name)).values()) for name in names}
    write_json(tmp_path / "folds.json", folds)
    arguments = [str(tmp_path / name) for name in ("results.json", "labels.json", "folds.json")]
    outcome = subprocess.run(
        [sys.executable, "-c", READ, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )
    assert "RESULT" in outcome.stdout, outcome.stderr
    found = json.loads(outcome.stdout.partition("RESULT")[2])
    assert found["valid"]
    assert found["recorded"]
    assert found["same"]
    assert found["mae"] == pytest.approx(20.0)
    results = record["tasks"]["matbench_jdft2d"]["results"]
    for fold, entry in results.items():
        assert entry["scores"] == pytest.approx(found["scores"][fold])
