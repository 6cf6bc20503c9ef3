"""The page of MatBench records, as tools show it that serve folders."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from matsciml_core.errors import DataError
from matsciml_core.files import write_json
from matsciml_tool_matbench.folder_pages import records
from matsciml_tool_matbench.plugin import matsciml_folder_pages
from matsciml_tool_matbench.preparing import published_folds
from matsciml_tool_matbench.record import make_record, summary_of
from matsciml_tool_matbench.tasks import find_task
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import render

ERROR = {f"fold_{k}": 0.01 * (k + 1) for k in range(5)}
"""eV/atom."""


def show(folder):
    return records(PageSubject(folder=folder, runs=(), registry=None, address=lambda _: ""))


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """The summary of a record with errors of 10 to 50 meV/atom."""
    folder, task = tmp_path_factory.mktemp("cv"), find_task("jdft2d")
    random = np.random.default_rng(0)
    with (folder / "predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["fold", "dataset", "target", "id", "label", "prediction"])
        for number, (fold, ids) in enumerate(published_folds(task).items(), start=1):
            for id in ids:
                label = random.normal()
                writer.writerow([number, task.dataset, task.label, id, label, label + ERROR[fold]])
    assigned = {
        f"fold-{k}": list(ids) for k, ids in enumerate(published_folds(task).values(), start=1)
    }
    write_json(folder / "assignment.json", assigned)
    return summary_of(make_record([folder], {"algorithm": "<mine>"}))


def test_errors_stand_among_published_ones_in_their_unit(summary, tmp_path):
    write_json(tmp_path / "results.matbench.json", summary)
    page = show(tmp_path)
    assert page.title == "1 task"
    models, folds = page.sections[0].sheets
    # mean of 10, 20, 30, 40, 50 meV/atom, with their standard deviation (n - 1)
    assert [row["value"].text for row in models.rows if row["model"].text == "<mine>"] == [
        "30.0 ± 15.8"
    ]
    values = [row["value"].order for row in models.rows]
    assert values == sorted(values)
    assert len(values) == 1 + len(find_task("jdft2d").published)
    assert [row["mae"].order for row in folds.rows] == pytest.approx([10, 20, 30, 40, 50])
    text = render(page)
    assert "meV/atom" in text
    assert "<mine>" not in text
    assert "&lt;mine&gt;" in text


def test_the_largest_is_the_best_of_classes(summary, tmp_path):
    (task,) = summary["tasks"]
    folds = [{"rocauc": value} for value in (0.8, 0.9, 0.85, 0.9, 0.8)]
    changed = task | {"metric": "rocauc", "unit": "", "larger_is_better": True, "folds": folds}
    published = {"published": {"better": 0.95, "worse": 0.6}}
    write_json(tmp_path / "a.matbench.json", summary | {"tasks": [changed | published]})
    (section,) = show(tmp_path).sections
    assert [row["model"].text for row in section.sheets[0].rows] == ["better", "<mine>", "worse"]


def test_two_records_stand_on_one_page(summary, tmp_path):
    for name in ("one", "two"):
        write_json(tmp_path / f"{name}.matbench.json", summary)
    assert len(show(tmp_path).sections) == 2
    render(show(tmp_path))


@pytest.mark.parametrize("change", [{"version": 2}, {"tasks": [{}]}, {"tasks": None}, None])
def test_a_summary_of_another_kind_is_one_sentence(summary, tmp_path, change):
    data = "text" if change is None else summary | change
    (tmp_path / "a.matbench.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="not what matsciml matbench record writes"):
        show(tmp_path)


def test_a_fold_without_the_metric_is_one_sentence(summary, tmp_path):
    (task,) = summary["tasks"]
    write_json(tmp_path / "a.matbench.json", summary | {"tasks": [task | {"folds": [{}]}]})
    with pytest.raises(DataError, match="lacks the metric"):
        show(tmp_path)


def test_folders_of_runs_are_no_parts_of_a_record():
    (spec,) = matsciml_folder_pages()
    assert spec.files == ("*.matbench.json",)
    assert not spec.holds_runs
