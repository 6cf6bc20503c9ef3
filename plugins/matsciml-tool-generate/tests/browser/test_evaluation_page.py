"""The page of an evaluation in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matsciml_core.testing.crystals import all_crystals, rutile
from matsciml_tool_generate.evaluation import (
    EvaluationInputs,
    EvaluationSettings,
    evaluate_crystals,
)
from matsciml_tool_generate.page import PAGE, write_results
from matsciml_tool_generate.structures import ParsedStructure

VISIBLE = (
    "[...document.querySelectorAll('#list tbody tr:not([hidden]) th')].map(one => one.innerText)"
)


@pytest.fixture
def page(nasty: list[ParsedStructure], tmp_path: Path) -> Path:
    crystals = list(map(ParsedStructure.from_crystal, all_crystals()))
    inputs = EvaluationInputs(
        generated=[*crystals, *nasty],
        reference=[*crystals, ParsedStructure.from_crystal(rutile())],
        rejected={"no atoms were predicted": 2},
        names={"generated": "new.extxyz", "reference": "mine:test"},
    )
    settings = EvaluationSettings(fingerprints=False, workers=1)
    write_results(evaluate_crystals(inputs, settings), tmp_path)
    return tmp_path / PAGE


@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_sorts_and_filters(browser: Any, page: Path, dark: bool) -> None:
    browser.open(page, dark=dark)
    assert browser.run("document.querySelectorAll('svg.plot path').length") > 10
    names = browser.run(VISIBLE)
    browser.run("document.querySelector('#list th[data-key=volume] .sort').click()")
    # The smallest cell of all comes first, structures without a volume last.
    assert browser.run(VISIBLE)[0] == "tiny"
    assert browser.run(VISIBLE)[-1] in {"element 0", "no atoms", "no numbers", "flat cell"}
    assert sorted(browser.run(VISIBLE)) == sorted(names)
    browser.run(
        "(() => { const choice = document.querySelector('#list select');"
        " choice.value = 'atoms are too close';"
        " choice.dispatchEvent(new Event('change')); })()"
    )
    assert "overlapping" in browser.run(VISIBLE)
    assert "NaCl" not in browser.run(VISIBLE)
    assert browser.worst_contrast()[0] >= 4.5
    assert browser.troubles == []
    assert browser.requests == []


def test_it_fits_a_phone(browser: Any, page: Path) -> None:
    browser.open(page, width=380)
    assert browser.run("document.documentElement.scrollWidth") <= 380
