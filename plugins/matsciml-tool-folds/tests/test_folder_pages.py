"""The page of a cross-validation, as tools show it that serve folders of runs."""

from __future__ import annotations

import pytest

from matsciml_core import build_registry
from matsciml_core.errors import DataError
from matsciml_tool_folds.cross_validation import cross_validate
from matsciml_tool_folds.folder_pages import cross_validation
from matsciml_tool_folds.making import FoldRequest
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import render

CONFIG = {
    "dataset": "example",
    "encoder": "example",
    "strategy": "example",
    "training": {"epochs": 1, "loggers": []},
}


@pytest.fixture(scope="module")
def folder(module_plugin_folder, tmp_path_factory):
    """The folder of two folds."""
    module_plugin_folder.add_examples()
    registry = build_registry(path=module_plugin_folder.search)
    output = tmp_path_factory.mktemp("runs")
    request = FoldRequest(number=2, validation=0.3)
    return cross_validate({**CONFIG, "output": str(output)}, request, registry, quiet=True)


def show(folder):
    subject = PageSubject(
        folder=folder, runs=(), registry=None, address=lambda run: f"/to/{run.parent.name}"
    )
    return cross_validation(subject)


def test_it_has_the_folds_that_have_finished_and_leads_to_their_reports(folder):
    page = render(show(folder))
    assert "MatSciML cross-validation" in page
    assert 'href="/to/fold-1"' in page
    assert 'href="/to/fold-2"' in page


def test_a_fold_that_trains_is_told(folder):
    summary = (folder / "fold-2" / "latest").resolve() / "run.json"
    text = summary.read_text()
    summary.unlink()
    assert "1 fold of 2 has not finished" in show(folder).notices[0]
    summary.write_text(text)


def test_without_a_finished_fold_it_says_so(tmp_path):
    with pytest.raises(DataError, match=r"'folds.json' cannot be read"):
        show(tmp_path)
    (tmp_path / "folds.json").write_text('{"folds": {"number": 5}}')
    with pytest.raises(DataError, match="None of 5 folds has finished yet"):
        show(tmp_path)
