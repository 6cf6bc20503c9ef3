"""Figures for classes, components and conflicts between tasks, and what they say in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.gradient_angles import GRADIENTS, GradientAngles
from matsciml_core.training.run_folder import METRICS, PREDICTIONS, SUMMARY
from matsciml_tool_report.classes import class_facts, class_table, count_confusion
from matsciml_tool_report.error_summary import by_component
from matsciml_tool_report.heat_maps import conflict_map, confusion_matrix
from matsciml_util_pages.metrics import describe_baseline, headline_baseline, metric_info
from matsciml_util_pages.plots import Plot
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Absent


def predictions(labels, chosen, **more):
    ids = tuple(f"c{k}" for k in range(len(labels)))
    numbers = np.array(labels, dtype=np.float64), np.array(chosen, dtype=np.float64)
    return Predictions(ids, *numbers, 0, **more)


class TestConfusion:
    def test_counts(self):
        found = count_confusion(predictions([0, 0, 0, 1], [0, 0, 1, 1]), None)
        assert found.names == ["0", "1"]
        assert found.counts.tolist() == [[2, 1], [0, 1]]

    def test_classes_that_no_test_crystal_has_are_shown_where_they_are_few(self):
        assert count_confusion(predictions([0, 1], [0, 0]), 4).counts.shape == (4, 4)

    def test_space_groups_are_put_together_as_crystal_systems(self):
        numbers = np.array([1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230])
        found = count_confusion(predictions(numbers - 1, numbers - 1), 230)
        assert found.names == list(FIRST_SPACE_GROUPS)
        assert found.counts.tolist() == (2 * np.eye(7)).tolist()

    def test_many_classes_leave_the_frequent_ones(self):
        labels = [k for k in range(40) for _ in range(1 + (k == 33) * 5)]
        found = count_confusion(predictions(labels, labels), 40)
        assert "33" in found.names
        assert found.names[-1] == "others"
        assert len(found.names) == 12
        assert found.counts.sum() == len(labels)

    def test_in_words(self):
        found = count_confusion(predictions([0] * 8 + [1] * 2, [0] * 6 + [1] * 4), None)
        drawing = confusion_matrix(found)
        assert isinstance(drawing, Plot)
        words = drawing.caption.replace("\u00a0", " ")
        assert words.startswith("80.0 % of 10 crystals are on the diagonal")
        assert words.endswith("Most often 0 is taken for 1 (2 times).")
        assert "density-3" in drawing.svg

    def test_table_leaves_out_classes_that_never_occur(self):
        table = class_table(count_confusion(predictions([0, 0, 3], [0, 1, 3]), 5))
        rows = [[cell.replace("\u00a0", " ") for cell in row] for row in table.rows]
        assert rows == [
            ["0", "2", "1", "50.0 %", "100 %"],
            ["1", "0", "1", "—", "0 %"],
            ["3", "1", "1", "100 %", "100 %"],
        ]

    def test_how_sure_it_was(self):
        values = predictions([0, 1, 1], [0, 0, 1], probabilities=np.array([0.9, 0.6, 0.7]))
        found = {fact.name: fact.value for fact in class_facts(values)}
        assert found["Mean probability where right"] == "0.800"
        assert found["Mean probability where wrong"] == "0.600"
        assert "Mean probability where right" not in {
            fact.name for fact in class_facts(predictions([0, 1], [0, 1]))
        }


def test_errors_by_component():
    values = predictions(
        [1.0, 2.0, 0.0, -1.0, 0.0, 0.0], [1.5, 2.0, 1.0, -2.5, 0.0, -1.0], indices=np.arange(6)
    )
    x, y, z = by_component(values, ("x", "y", "z"))
    assert (x.mae, x.bias, x.label) == (1.0, -0.5, 1.0)
    assert x.rmse == pytest.approx(((0.25 + 2.25) / 2) ** 0.5)
    assert (y.mae, z.mae, z.bias) == (0.0, 1.0, 0.0)
    assert by_component(predictions([1.0], [1.0]), ("x",)) == []


def angles(cosine, steps=None):
    grid = np.array(cosine, dtype=np.float64)
    steps = np.arange(grid.shape[1]) if steps is None else np.array(steps)
    layers = (*(f"blocks.{k}" for k in range(len(grid) - 1)), "all")
    return GradientAngles(
        task="mp/band_gap", other="mp/is_stable", steps=steps, layers=layers, cosine=grid
    )


class TestConflict:
    def test_in_words(self):
        drawing = conflict_map(angles([[0.5, 0.5, -0.5, 1.0], [0.4, -0.2, -0.2, 0.4]]))
        assert isinstance(drawing, Plot)
        assert drawing.title == "band gap against is stable"
        words = drawing.caption.replace("\u00a0", " ")
        assert "below zero) in 50.0 % of 4 recorded steps; the mean cosine is +0.100." in words
        assert "cosine-7" in drawing.svg

    def test_missing_gradients_are_left_out(self):
        drawing = conflict_map(angles([[np.nan, 0.5], [np.nan, -0.5]]))
        assert isinstance(drawing, Plot)
        assert "100" in drawing.caption
        assert isinstance(conflict_map(angles([[np.nan], [np.nan]])), Absent)

    def test_one_step_and_thousands(self):
        assert isinstance(conflict_map(angles([[0.1], [0.1]])), Plot)
        many = np.sin(np.arange(3000.0))[None].repeat(3, axis=0)
        drawing = conflict_map(angles(many, 10 * np.arange(3000)))
        assert isinstance(drawing, Plot)
        assert len(drawing.svg) < 60_000


FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å")
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=7)


def test_metrics_and_describe_baselines_have_names():
    assert metric_info("mae_per_atom").quantity(0.5, "eV") == "0.500\u00a0eV/atom"
    assert metric_info("mae").quantity(0.5, "eV/Å") == "0.500\u00a0eV/Å"
    assert metric_info("top5_accuracy").short == "top-5 accuracy"
    assert describe_baseline("symmetry_finder") == "asking a symmetry finder"
    assert headline_baseline(FORCES, {"composition": 1, "zero": 1}) == "zero"
    assert headline_baseline(GROUP, {"symmetry_finder": 1, "majority": 1}) == "majority"


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
