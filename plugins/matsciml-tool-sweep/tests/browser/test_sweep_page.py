"""The page of a sweep in a real browser, as wide as a telephone and as a screen."""

from __future__ import annotations

import math

import pytest

from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.results import write_results
from matsciml_tool_sweep.space import parse_axis
from matsciml_tool_sweep.study import Study
from matsciml_tool_sweep.sweep import Sweep

VARY = (
    "encoder.cutoff=4..8",
    "encoder.elements=learnt,described,both",
    "encoder.num_blocks=1..4:int",
    "training.learning_rate=1e-4..1e-2:log",
)
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FIRST = "document.querySelector('#trials tbody tr:not([hidden]) th').innerText"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of thirty trials, some of which were stopped early or failed."""
    sweep = Sweep(
        data={"datasets": [{"name": "mp"}], "encoder": {"name": "megnet"}},
        axes=[parse_axis(text) for text in VARY],
        metric=Metric(name="mae", unit="eV/atom"),
        path=tmp_path_factory.mktemp("sweep"),
        patience=3,
        command=f"matsciml sweep --dataset mp --encoder megnet --vary {' --vary '.join(VARY)}",
    )
    study = Study(sweep.journal, sweep.axes, larger_is_better=False, seed=0, patience=3)
    for number in range(30):
        trial = study.ask()
        rate = math.log10(trial.settings["training.learning_rate"]) + 3
        value = 0.1 + 0.05 * rate**2 + 0.01 * abs(trial.settings["encoder.cutoff"] - 5)
        study.report(trial.number, 0, value + 0.2)
        if number % 7 == 5:
            study.prune(trial.number, 12.0)
        elif number == 9:
            study.fail(trial.number, "The validation loss was not a finite number.", 4.0)
        else:
            study.finish(trial.number, value, 50.0 + number)
    return write_results(sweep, study)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_and_can_be_read(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    assert browser.run(TOO_WIDE) <= 0
    assert browser.run("document.querySelectorAll('svg.plot').length") == 3
    widths = "[...document.querySelectorAll('svg.plot')].map(p => p.getBoundingClientRect().width)"
    assert min(browser.run(widths)) > 250
    ratio, text = browser.worst_contrast()
    assert ratio >= 4.5, text
    assert browser.troubles == []
    assert browser.requests == []


def test_trials_are_sorted_by_what_the_reader_chooses(browser, page):
    browser.open(page)
    first = browser.run(FIRST)
    browser.run("document.querySelector('#trials th[data-key=time] .sort').click()")
    assert browser.run(FIRST) != first
