"""The page of a table, and the files beside it."""

from __future__ import annotations

import csv
import json

from matsciml_tool_benchmark.table_page import table_page, write_table
from matsciml_util_pages.pages import to_markdown


def test_markdown_has_the_numbers_and_the_footnotes_that_are_named(filled):
    text = to_markdown(table_page(filled, filled.entries()))
    assert "# A table" in text
    assert "1.50 ± 0.707" in text
    assert "[^1]: Its unit is unknown." in text
    assert "Nothing names this" not in text
    assert "- Experiments: 1 of 2 finished" in text
    assert "> 1 experiment has failed" in text


def test_references_stand_beside_what_is_compared_with_them(make_benchmark, fill):
    pair = {"name": "pair", "title": "Pair", "datasets": ["toy"], "targets": ["gap"]}
    benchmark = make_benchmark(row={"reference": True}, more=[pair])
    fill(benchmark)
    (section,) = table_page(benchmark, benchmark.entries()).sections
    alone = [row["alone"].text for row in section.sheets[0].rows]
    assert alone == ["", "1.00"]


def test_the_files_beside_the_page_hold_the_same_numbers(filled):
    page = write_table(filled)
    folder = filled.folder.path
    assert page == folder / "table.html"
    text = (folder / "table.csv").read_text(encoding="utf-8")
    first, second = csv.DictReader(text.splitlines())
    assert (first["mean"], first["published"], first["seeds"]) == ("1.5", "0.5", "2")
    assert (first["baseline_name"], first["baseline"]) == ("mean", "4.0")
    assert (second["mean"], second["state"]) == ("", "failed")
    data = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    assert data["schema"] == 1
    assert [entry["mean"] for entry in data["entries"]] == [1.5, None]
    assert [entry["baselines"] for entry in data["entries"]] == [{"mean": 4.0}, {}]
    text = page.read_text(encoding="utf-8")
    assert "The moon is in the wrong place." in text
    assert 'href="experiments/gap/plain/seed-0/run-0/report.html"' in text
    assert "@article{one" in text
    assert "http" not in text.partition("<body")[0].replace("http-equiv", "")


def test_hostile_words_stay_words(make_benchmark):
    hostile = "<script>alert(1)</script>"
    benchmark = make_benchmark(title=hostile, row={"title": hostile}, command=hostile)
    text = write_table(benchmark).read_text(encoding="utf-8")
    assert hostile not in text
    assert text.count("<script>") == 1
