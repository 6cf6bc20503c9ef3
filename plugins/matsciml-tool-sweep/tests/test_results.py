"""The page of a sweep, and the files beside it."""

from __future__ import annotations

import csv

import pytest

from matsciml_tool_sweep.results import write_results
from matsciml_tool_sweep.trials import Trial, ranked

VARY = ("encoder.cutoff=4..8", "encoder.width=8..64:log:int", "encoder.elements=learnt,both")


@pytest.fixture
def written(make_sweep):
    """A function that records values of trials, and writes the page."""

    def write(values, **changes):
        made = make_sweep(*VARY, **changes)
        study = made.study()
        for value in values:
            trial = study.ask()
            study.report(trial.number, 0, 3.0)
            if value is None:
                study.prune(trial.number, 1.0)
            elif isinstance(value, str):
                study.fail(trial.number, value, 1.0)
            else:
                study.finish(trial.number, value, 2.0)
        page = write_results(made.sweep, study)
        return page.read_text(encoding="utf-8"), made.sweep

    return write


def test_the_page_shows_what_was_searched(written):
    page, sweep = written([3.0, 2.0, 1.0, 1.5, None, "No moon."])
    assert page.count("<svg") == 3
    assert "4 trials finished and 1 stopped early. The best value fell from 3.00" in page
    assert "How much each setting decides" in page
    assert "encoder.elements" in page
    assert "No moon." in page
    assert "4 finished, 1 stopped early, 1 failed" in page
    rows = list(csv.DictReader((sweep.path / "sweep.csv").read_text().splitlines()))
    assert [row["mae"] for row in rows] == ["1.0", "1.5", "2.0", "3.0", "", ""]
    assert [row["state"] for row in rows[-2:]] == ["pruned", "failed"]


def test_a_page_of_few_trials_says_why_figures_are_missing(written):
    page, _ = written([3.0])
    assert page.count("<svg") == 0
    assert "needs two trials that have finished" in page


def test_a_page_without_a_finished_trial_says_so(written):
    page, sweep = written(["No moon."])
    assert "No trial has finished yet." in page
    assert not (sweep.path / "best.yaml").exists()


def test_equal_values_have_a_page(written):
    page, _ = written([2.0] * 5)
    assert page.count("<svg") == 2
    assert "Which settings matter is estimated from" in page


def test_hostile_words_stay_words(written):
    hostile = "<script>alert(1)</script>"
    page, _ = written([1.0, hostile], command=hostile)
    assert hostile not in page
    assert page.count("<script>") == 1


def test_trials_are_ranked_by_state_and_value(make_sweep):
    metric = make_sweep().sweep.metric
    trials = [
        Trial(number=0, settings={}, state="failed"),
        Trial(number=1, settings={}, state="pruned", curve={0: 1.0}),
        Trial(number=2, settings={}, state="pruned", curve={0: 9.0, 1: 9.0}),
        Trial(number=3, settings={}, state="finished", value=2.0),
        Trial(number=4, settings={}, state="finished", value=1.0),
        Trial(number=5, settings={}),
    ]
    assert [trial.number for trial in ranked(trials, metric)] == [4, 3, 2, 1, 5, 0]
