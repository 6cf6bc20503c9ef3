"""The record of a task that the ``matbench`` package takes, from the folds' predictions.

Written by hand, because the package requires versions of others that contradict ours.

References:
    Dunn, Wang, Ganose, Dopp, Jain, npj Comput. Mater. 6, 138 (2020),
    doi:10.1038/s41524-020-00406-3. The form of the record is that of the package matbench 0.6.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics

from matsciml_core.errors import DataError
from matsciml_core.files import read_object
from matsciml_core.training.run_folder import command_line
from matsciml_tool_matbench.preparing import FOLDS
from matsciml_tool_matbench.tasks import BENCHMARK, MatbenchTask, find_task

PREDICTIONS = "predictions.csv"
SUMMARY_FORMAT = "matsciml-matbench"
_ASSIGNMENT = "assignment.json"
_VERSION = "0.6"
"""Of the package whose form of a record is written."""
_SMALLEST = 1e-5
"""Labels below this, in the published unit, are left out of the relative error."""


def make_record(folders: Sequence[Path], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of one or several tasks.

    Args:
        folders: Folders of ``matsciml folds``, one for each task.
        metadata: What is said of the model, plain data.

    Raises:
        DataError: A folder holds no finished folds of a task, or other folds than the published.
    """
    results = {}
    for folder in folders:
        task, entry = task_results(folder)
        results[task.full_name] = {
            "@module": "matbench.task",
            "@class": "MatbenchTask",
            "benchmark_name": BENCHMARK,
            "dataset_name": task.full_name,
            "results": entry,
        }
    record: dict[str, Any] = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": _VERSION,
        "tasks": results,
        "user_metadata": dict(metadata),
        "benchmark_name": BENCHMARK,
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
    }
    # The package sorts the keys at every depth, and hashes the JSON of that.
    text = json.dumps(record, sort_keys=True)
    return {**record, "hash": hashlib.sha256(text.encode()).hexdigest()}


def task_results(folder: Path) -> tuple[MatbenchTask, dict[str, Any]]:
    """Return the task of a folder, and predictions and scores of each of its folds.

    Args:
        folder: A folder of ``matsciml folds``.

    Raises:
        DataError: See :func:`make_record`.
    """
    rows = _read(folder)
    task = find_task(rows[0]["dataset"])
    assigned = read_object(folder / _ASSIGNMENT) or {}
    by_fold: dict[int, list[dict[str, str]]] = {}
    for row in rows:
        by_fold.setdefault(int(row["fold"]) - 1, []).append(row)
    results = {}
    predicted = 0
    for fold in range(FOLDS):
        values = {row["id"]: _prediction(task, row) for row in by_fold.get(fold, ())}
        if not values or set(values) != set(assigned.get(f"fold-{fold + 1}", ())):
            raise DataError(
                f"Fold {fold + 1} of {FOLDS} in '{folder}' is not finished, or lacks predictions; "
                "run the same matsciml folds again."
            )
        truth = np.array([float(row["label"]) for row in by_fold[fold]]) / task.factor
        results[f"fold_{fold}"] = {
            "data": values,
            "parameters": {},
            "scores": scores(task, truth, np.array(list(values.values()))),
        }
        predicted += len(values)
    if predicted != task.size:
        raise DataError(
            f"'{folder}' has predictions of {predicted:,} crystals, and {task.full_name} "
            f"{task.size:,}; run all of it, without dataset.max_atoms."
        )
    return task, results


def scores(
    task: MatbenchTask, truth: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]
) -> dict[str, float]:
    """Return the scores of a fold, as the package defines them.

    Args:
        task: The task.
        truth: Labels, ``(crystals,)``, in the published unit, or 0 and 1.
        predictions: The same as predicted, ``(crystals,)``, in that unit, or probabilities of 1.
    """
    if task.is_class:
        chosen, true = predictions > 0.5, truth > 0.5
        found = {
            "accuracy": metrics.accuracy_score(true, chosen),
            "balanced_accuracy": metrics.balanced_accuracy_score(true, chosen),
            "f1": metrics.f1_score(true, chosen),
            "rocauc": metrics.roc_auc_score(true, predictions),
        }
    else:
        errors = np.abs(predictions - truth)
        large = np.abs(truth) > _SMALLEST
        found = {
            "mae": errors.mean(),
            "rmse": np.sqrt((errors**2).mean()),
            "mape": (errors[large] / np.abs(truth[large])).mean(),
            "max_error": errors.max(),
        }
    return {name: float(value) for name, value in found.items()}


def summary_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a record among published errors, without its predictions.

    Args:
        record: What :func:`make_record` returned.
    """
    tasks = []
    for name, entry in record["tasks"].items():
        task = find_task(name)
        tasks.append(
            {
                "name": name,
                "metric": _metric(task),
                "unit": "" if task.is_class else task.published_unit or task.unit,
                "larger_is_better": task.is_class,
                "folds": [fold["scores"] for fold in entry["results"].values()],
                "published": {one.model: one.mae for one in task.published},
            }
        )
    return {
        "format": SUMMARY_FORMAT,
        "version": 1,
        "command": command_line(),
        "algorithm": record["user_metadata"].get("algorithm", ""),
        "tasks": tasks,
    }


def comparison(task: MatbenchTask, results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows of model, error and deviation over the folds: ours among the published ones.

    Args:
        task: The task.
        results: What :func:`task_results` returned.
    """
    values = np.array([entry["scores"][_metric(task)] for entry in results.values()])
    ours = ("this model", float(values.mean()), f"{values.std(ddof=1):.4g}")
    rows = [ours, *((one.model, one.mae, "") for one in task.published)]
    ordered = sorted(rows, key=lambda row: row[1], reverse=task.is_class)
    return [(model, f"{value:.4g}", deviation) for model, value, deviation in ordered]


def _metric(task: MatbenchTask) -> str:
    return "rocauc" if task.is_class else "mae"


def _prediction(task: MatbenchTask, row: Mapping[str, str]) -> float:
    """Return a prediction in the published unit, or the probability of the second class."""
    value = float(row["prediction"])
    if not task.is_class:
        return value / task.factor
    share = float(row["probability"])  # of the class that was predicted
    return share if value == 1.0 else 1.0 - share


def _read(folder: Path) -> list[dict[str, str]]:
    file = folder / PREDICTIONS
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(
            f"'{file}' cannot be read ({error.strerror}); name a folder of matsciml folds."
        ) from error
    needed = {"fold", "dataset", "id", "label", "prediction"}
    if not rows or not needed <= rows[0].keys() or len({row["target"] for row in rows}) != 1:
        raise DataError(f"'{file}' does not hold the predictions of one label; run folds again.")
    return rows
