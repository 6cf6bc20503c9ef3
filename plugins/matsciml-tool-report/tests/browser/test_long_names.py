"""Pages about names and units that are longer than a telephone is wide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matsciml_tool_report.comparison import write_comparison
from matsciml_tool_report.leaderboard import write_site
from matsciml_tool_report.run_folders import find_runs
from matsciml_util_pages.testing.example_runs import ExampleRun, example_target

LABEL = "formation_energy_per_atom_relative_to_the_elements_of_pbe"
DATASET = "a_dataset_of_my_own_that_has_quite_a_long_name_2026"
UNIT = "µeV·Å²/(formula_unit·K·GPa)"


@pytest.fixture(scope="module")
def pages(write, registry, tmp_path_factory):
    """Return a report, a comparison and a leaderboard, by name."""
    folder = tmp_path_factory.mktemp("pages")
    ids = [f"agm{place:06d}-an-identifier-as-some-databases-have-them" for place in range(200)]
    target = replace(example_target(unit=UNIT), ids=ids)
    (folder / "runs").mkdir()
    for name in ("first", "second"):
        ExampleRun(folder / "runs" / name, targets={f"{DATASET}/{LABEL}": target}).write()
        write(folder / "runs" / name)
    runs = find_runs([folder / "runs"])
    return {
        "report": folder / "runs" / "first" / "report.html",
        "comparison": write_comparison(runs, folder / "comparison.html"),
        "leaderboard": write_site(runs, folder / "site", registry),
    }


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("page", ["report", "comparison", "leaderboard"])
def test_no_page_scrolls_sideways(browser, pages, page, width):
    browser.open(pages[page], width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.troubles == []
