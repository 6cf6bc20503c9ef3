"""The report of a run with labels of all kinds."""

from __future__ import annotations

import json
from pathlib import Path

from matsciml_core.training.gradient_angles import GRADIENTS
from matsciml_core.training.run_folder import METRICS, PREDICTIONS, SUMMARY


def write_run(folder: Path) -> None:
    labels = {
        "forces": {"kind": "forces", "unit": "eV/Å"},
        "energy": {"kind": "energy", "unit": "eV"},
        "group": {"kind": "multiclass", "unit": "class", "num_classes": 230},
    }
    error = {"mae": 0.5, "unit": "eV", "count": 2}
    metrics = {
        "toy/energy": {**error, "mae_per_atom": 0.25},
        "toy/forces": {"mae": 0.1, "cosine": 0.9, "unit": "eV/Å", "count": 2},
        "toy/group": {"accuracy": 0.5, "unit": "class", "count": 2},
    }
    baselines = {
        "toy/energy": {"mean": error},
        "toy/forces": {"zero": {"mae": 0.5, "cosine": 0.0}},
        "toy/group": {"majority": {"accuracy": 0.4}, "symmetry_finder": {"accuracy": 1.0}},
    }
    summary = {
        "status": "finished",
        "datasets": {"toy": {"labels": labels}},
        "metrics": {"test": metrics, "validation": {}},
        "baselines": baselines,
        "heads": {"toy/energy+forces": {"std": 0.6}},
    }
    (folder / SUMMARY).write_text(json.dumps(summary), "utf-8")
    lines = ["dataset,target,id,index,label,prediction,probability"]
    lines += [f"toy,energy,c{k},0,{-k}.0,{-k}.5," for k in range(2)]
    lines += [f"toy,forces,c{k // 6},{k % 6},0.{k},0.{k + 1}," for k in range(9)]
    lines += ["toy,group,c0,0,224,224,0.7", "toy,group,c1,0,1,224,0.6"]
    (folder / PREDICTIONS).write_text("\n".join(lines) + "\n", "utf-8")
    (folder / METRICS).write_text("epoch,seconds\n0,1\n", "utf-8")
    header = "step,layer,task,other,cosine,norm,other_norm"
    rows = [f"{k},all,toy/energy+forces,toy/group,{0.1 * (k - 3):.1f},1,1" for k in range(5)]
    (folder / GRADIENTS).write_text("\n".join([header, *rows]) + "\n", "utf-8")


def test_a_run_with_all_kinds_of_labels_has_a_page(write, tmp_path: Path):
    write_run(tmp_path)
    page = write(tmp_path).read_text("utf-8").replace("\u00a0", " ")
    for text in (
        "5.00 times smaller than predicting zero (0.500 eV/Å)",
        "Errors of each component of forces",
        "Mean absolute error per atom (MAE per atom), eV/atom",
        "Asking a symmetry finder",
        "Classes of the test set, by crystal systems",
        "Conflict between tasks",
        "energy+forces against group",
    ):
        assert text in page, text


def test_a_damaged_file_of_gradients_is_named(write, tmp_path: Path):
    write_run(tmp_path)
    (tmp_path / GRADIENTS).write_text("step,layer\n1,2\n", "utf-8")
    page = write(tmp_path).read_text("utf-8")
    assert "is damaged" in page
