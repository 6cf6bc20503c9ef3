"""What a table says: numbers with their spread, beside published ones and baselines."""

from __future__ import annotations

import csv
import json

import pytest

from matsciml_tool_benchmark.availability import Unavailable
from matsciml_tool_benchmark.entries import table_entries
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.launchers import open_launcher
from matsciml_tool_benchmark.running import run_experiments
from matsciml_tool_benchmark.table_page import TableRun, table_page, write_table
from matsciml_util_pages.finished_runs import read_finished_run
from matsciml_util_pages.sheets import to_markdown

PUBLISHED = {
    "notes": {"unit": "Its unit is unknown.", "unused": "Nobody names this."},
    "row": {
        "published": [
            {"value": 0.3, "notes": ["unit"]},
            {"value": 0.5, "encoder": "plain", "unit": "eV²"},
        ]
    },
}


@pytest.fixture
def filled(make_table, folder):
    """Give a table of two columns, filled with two seeds, and its lines."""
    table = make_table(encoders={"plain": {}, "other": {"told": "fail"}}, **PUBLISHED)
    experiments = plan(table, "mini", seeds=2)
    run_experiments(experiments, folder, open_launcher("local", jobs=2), lambda progress: None)
    return table, table_entries(table, experiments, folder, {})


def page_of(table, folder, lines):
    return table_page(
        TableRun(table=table, budget="mini", folder=folder.path, command="matsciml x"), lines
    )


def test_a_line_is_the_mean_over_the_seeds(filled):
    _, (line, _) = filled
    assert line.experiment == "tableau/gap/plain"
    assert (line.metric, line.unit) == ("mse", "eV²")
    assert line.value.values == (1.0, 2.0)
    assert (line.value.mean, line.value.deviation) == (1.5, pytest.approx(0.5**0.5))
    assert line.standardised.mean == 1.5 / 4.0
    assert line.baseline == ("mean", 4.0)
    assert line.cost("parameters", "total") == 1234
    assert line.state == "finished"


def test_the_number_of_the_column_wins_over_the_best_of_all(filled):
    _, (line, other) = filled
    assert (line.published.value, line.published.unit) == (0.5, "eV²")
    assert (other.published.value, other.published.encoder) == (0.3, "")
    assert other.published.notes == ("unit",)


def test_a_failed_experiment_says_why(filled):
    _, (_, other) = filled
    assert (other.state, other.remark) == ("failed", "The moon is in the wrong place.")
    assert other.value.mean is None


def test_an_experiment_without_its_data_says_how_to_fetch_it_and_comes_last(make_table, folder):
    table = make_table(encoders={"a": {}, "b": {}})
    experiments = plan(table, "mini")
    found = {"gap/a": Unavailable("no data", "Run: matsciml data fetch toy")}
    lines = table_entries(table, experiments, folder, found)
    assert [line.column for line in lines] == ["b", "a"]
    assert (lines[1].state, lines[1].remark) == ("no data", "Run: matsciml data fetch toy")


def test_a_line_for_each_metric_that_a_label_is_compared_by(make_table, folder):
    table = make_table(metrics={"gap": ["mae", "mse", "nonsense"]})
    experiments = plan(table, "mini")
    run_experiments(experiments, folder, open_launcher("local", jobs=1), lambda progress: None)
    lines = table_entries(table, experiments, folder, {})
    assert [(line.metric, line.value.mean, line.unit) for line in lines] == [
        ("mae", 0.5, "eV"), ("mse", 1.0, "eV²"),
    ]  # fmt: skip


def test_some_seeds_finished_is_said(make_table, folder):
    table = make_table()
    experiments = plan(table, "mini", seeds=3)
    run_experiments(experiments[:2], folder, open_launcher("local", jobs=2), lambda progress: None)
    (line,) = table_entries(table, experiments, folder, {})
    assert (line.state, line.remark) == ("partly finished", "2 of 3 seeds.")


def test_markdown_has_the_numbers_and_the_footnotes_that_are_named(filled, folder):
    table, lines = filled
    text = to_markdown(page_of(table, folder, lines))
    assert "# A table" in text
    assert "1.50 ± 0.707" in text
    assert "[^1]: Its unit is unknown." in text
    assert "Nobody names this" not in text
    assert "- Experiments: 1 of 2 finished" in text
    assert "> 1 experiment has failed" in text


def test_references_stand_beside_what_is_compared_with_them(make_table, folder):
    pair = {"name": "pair", "title": "Pair", "datasets": ["toy"], "targets": ["gap"]}
    table = make_table(row={"reference": True}, more=[pair])
    experiments = plan(table, "mini")
    run_experiments(experiments, folder, open_launcher("local", jobs=1), lambda progress: None)
    (section,) = page_of(table, folder, table_entries(table, experiments, folder, {})).sections
    alone = [row["alone"].text for row in section.sheet.rows]
    assert alone == ["", "1.00"]


def test_the_files_beside_the_page_hold_the_same_numbers(filled, folder):
    table, lines = filled
    run = TableRun(table=table, budget="mini", folder=folder.path, command="matsciml x")
    page = write_table(run, lines)
    assert page == folder.path / "table.html"
    text = (folder.path / "table.csv").read_text(encoding="utf-8")
    first, second = csv.DictReader(text.splitlines())
    assert (first["mean"], first["published"], first["seeds"]) == ("1.5", "0.5", "2")
    assert (second["mean"], second["state"]) == ("", "failed")
    data = json.loads((folder.path / "table.json").read_text(encoding="utf-8"))
    assert data["schema"] == 1
    assert [line["mean"] for line in data["lines"]] == [1.5, None]
    assert [line["baselines"] for line in data["lines"]] == [{"mean": 4.0}, {}]
    text = page.read_text(encoding="utf-8")
    assert "The moon is in the wrong place." in text
    assert 'href="experiments/gap/plain/seed-0/run-0/report.html"' in text
    assert "@article{one" in text
    assert "http" not in text.partition("<body")[0].replace("http-equiv", "")


def test_hostile_words_stay_words(make_table, folder):
    hostile = "<script>alert(1)</script>"
    table = make_table(title=hostile, row={"title": hostile})
    lines = table_entries(table, plan(table, "mini"), folder, {})
    run = TableRun(table=table, budget="mini", folder=folder.path, command=hostile)
    text = write_table(run, lines).read_text(encoding="utf-8")
    assert hostile not in text
    assert text.count("<script>") == 1


def test_a_folder_without_results_has_none(tmp_path):
    assert read_finished_run(tmp_path) is None
    (tmp_path / "run.json").write_text('{"metrics": 3}', encoding="utf-8")
    assert read_finished_run(tmp_path) is None


def test_what_is_no_number_is_absent(tmp_path, summary):
    summary["metrics"]["test"]["toy/gap"] |= {"mse": None, "mae": "much", "r2": True}
    (tmp_path / "run.json").write_text(json.dumps(summary), encoding="utf-8")
    (target,) = read_finished_run(tmp_path).targets.values()
    assert target.metrics == {"skill": 0.25}
    assert target.standardised_mse is None
