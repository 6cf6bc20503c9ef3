"""The page of a sweep, as tools show it that serve folders of runs."""

from __future__ import annotations

import json

import pytest

from matsciml_core.errors import DataError
from matsciml_tool_sweep.offers import PAGES
from matsciml_tool_sweep.results import write_results
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import render

VARY = (
    "encoder.cutoff=4..8",
    "encoder.width=8..64:log:int",
    "encoder.hidden=[64],[64, 32]",
    "training.learning_rate=0.001,1e-2",
)


@pytest.fixture
def swept(make_sweep):
    """The folder of a sweep with trials of all states."""
    made = make_sweep(*VARY, data={"datasets": [{"name": "toy"}], "encoder": {"name": "net"}})
    study = made.study()
    for value in (3.0, 2.0, 1.0, 1.5, None, "No <moon>."):
        trial = study.ask()
        study.report(trial.number, 0, 3.0)
        if value is None:
            study.prune(trial.number, 1.0)
        elif isinstance(value, str):
            study.fail(trial.number, value, 1.0)
        else:
            study.finish(trial.number, value, 2.0)
    study.ask()
    write_results(made.sweep, study)
    return made.sweep.path


def show(folder):
    (spec,) = PAGES
    subject = PageSubject(folder=folder, runs=(), registry=None, address=str)
    return render(spec.load()(subject))


def test_it_is_the_page_that_the_sweep_has_written(swept):
    assert show(swept) == (swept / "sweep.html").read_text()


def test_it_needs_neither_journal_nor_page(swept):
    page = (swept / "sweep.html").read_text()
    for name in ("sweep.html", "journal.log"):
        (swept / name).unlink()
    assert show(swept) == page


def test_before_the_first_numbers_it_says_so(tmp_path):
    with pytest.raises(DataError, match=r"has not written 'sweep.json' yet, as it does every min"):
        show(tmp_path)


def test_numbers_of_something_else_are_refused(swept):
    file = swept / "sweep.json"
    data = json.loads(file.read_text())
    for change, problem in (
        ({"schema": 2}, "its schema is 2, not 1"),
        ({"varied": {"encoder.cutoff": "4..8", "other": "1..2"}}, "KeyError: 'other'"),
        ({"trials": [{"trial": 0}]}, "KeyError"),
        ({"trials": [{**data["trials"][0], "state": "dreaming"}]}, "a trial is 'dreaming'"),
        ({"trials": 3}, "TypeError"),
        ({"importances": []}, "AttributeError"),
        ({"seed": "x"}, "ValueError"),
    ):
        file.write_text(json.dumps({**data, **change}))
        with pytest.raises(DataError, match="is not what a sweep writes") as caught:
            show(swept)
        assert problem in str(caught.value)
    file.write_text('{"schema": 1, ')
    with pytest.raises(ValueError, match="Expecting"):
        show(swept)
