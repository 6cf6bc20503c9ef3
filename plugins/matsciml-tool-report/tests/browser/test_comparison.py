"""The comparison of runs, and the site that ranks them, in a real browser."""

from __future__ import annotations

import json

import pytest
import yaml

from matsciml_tool_report.comparison import write_comparison
from matsciml_tool_report.leaderboard import write_site
from matsciml_tool_report.run_folders import find_runs

STRANGE = "<!DOCTYPE html><title>A stranger's</title><script>document.title = 'ran'</script>"
"""A report that somebody else wrote."""
COLUMNS = "epoch,step,seconds,learning_rate,train/loss,validation/loss,validation/toy/gap/mae"
FIRST = "[...document.querySelectorAll('#{} tbody tr:not([hidden]) th')].map(one => one.innerText)"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for place, mae in enumerate((0.5, 0.125, 0.25, 0.75)):
        run = folder / f"run-{place}"
        run.mkdir()
        config = {
            "datasets": [{"name": "toy"}],
            "encoder": {"name": "net", "width": 2**place},
            "strategy": {"name": "alone"},
            "training": {"epochs": 3, "seed": 0},
        }
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        rows = [f"{epoch},1,{epoch},0.1,1,1,{mae + 1 / (epoch + 1)}" for epoch in range(3)]
        (run / "metrics.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
        metrics = {"mae": mae, "unit": "eV", "count": 3}
        summary = {
            "status": "finished",
            "started": "2026-03-01T09:30:00+00:00",
            "metrics": {"test": {"toy/gap": metrics}},
            "baselines": {"toy/gap": {"mean": {"mae": 1.0}}},
            "datasets": {"toy": {"labels": {"gap": {"kind": "scalar", "unit": "eV"}}}},
        }
        (run / "run.json").write_text(json.dumps(summary))
        (run / "report.html").write_text(STRANGE)
    return find_runs([folder])


def test_the_comparison_opens_draws_and_sorts(browser, runs, tmp_path):
    browser.open(write_comparison(runs, tmp_path / "page.html"))
    assert browser.run("document.querySelectorAll('svg.plot path').length") > 4
    width = "document.querySelector('svg.plot').getBoundingClientRect().width"
    assert browser.run(width) > 200
    browser.run("document.querySelector('#results th[data-key=value] .sort').click()")
    letters = [text[0] for text in browser.run(FIRST.format("results"))]
    assert letters == ["B", "C", "A", "D"]
    assert browser.run("document.querySelector('#settings tbody th').innerText") == "encoder.width"
    assert browser.troubles == []
    assert browser.requests == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_site_opens_and_leads_to_the_reports(browser, runs, registry, tmp_path, dark):
    browser.open(write_site(runs, tmp_path / "site", registry), width=360, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= 360
    address = browser.run("document.querySelector('tbody th a').getAttribute('href')")
    assert address == "runs/run-1/report.html"
    assert browser.troubles == []
    browser.open(tmp_path / "site" / address)
    assert browser.run("document.title") == "net on toy: gap · MatSciML report"
    assert browser.troubles == []
