"""The page of MatBench records in a real browser."""

from __future__ import annotations

from matsciml_core.files import write_json
from matsciml_tool_matbench.folder_pages import records
from matsciml_tool_matbench.record import SUMMARY_FORMAT
from matsciml_tool_matbench.tasks import find_task
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import write_page


def test_it_fits_and_can_be_read(browser, tmp_path):
    task = find_task("jdft2d")
    scores = {"mae": 40.0, "rmse": 80.0, "mape": 0.5, "max_error": 900.0}
    entry = {
        "name": task.full_name,
        "metric": "mae",
        "unit": task.published_unit,
        "larger_is_better": False,
        "folds": [{key: value + k for key, value in scores.items()} for k in range(5)],
        "published": {one.model: one.mae for one in task.published},
    }
    summary = {
        "format": SUMMARY_FORMAT,
        "version": 1,
        "command": "matsciml matbench record folds",
        "algorithm": "a model whose name says all that there is to be said about it, and more",
        "tasks": [entry],
    }
    write_json(tmp_path / "results.matbench.json", summary)
    subject = PageSubject(folder=tmp_path, runs=(), registry=None, address=lambda _: "")
    page = write_page(records(subject), tmp_path / "records.html")
    assert browser.faults(page) == []
