"""The report of a cross-validation in a real browser."""

from __future__ import annotations

from matsciml_core import build_registry
from matsciml_tool_folds.cross_validation import cross_validate
from matsciml_tool_folds.making import FoldRequest


def test_it_fits_and_can_be_read(browser, plugin_folder, tmp_path):
    plugin_folder.add_examples()
    registry = build_registry(path=plugin_folder.search)
    config = {
        "dataset": "example",
        "encoder": "example",
        "strategy": "example",
        "training": {"epochs": 1, "loggers": []},
    }
    folder = tmp_path / "folds-of-a-dataset-with-a-long-name-and-of-an-encoder-with-another"
    cross_validate(config, FoldRequest(number=2), registry, folder=folder, quiet=True)
    assert browser.faults(folder / "report.html") == []
    assert browser.run("document.querySelectorAll('svg.plot').length") > 0
