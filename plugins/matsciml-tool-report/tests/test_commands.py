"""``matsciml report`` and ``matsciml leaderboard`` as users type them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from matsciml_cli.app import execute


@pytest.fixture
def runs(add_run, tmp_path: Path) -> Path:
    """A folder with two finished runs and one that is not."""
    add_run("one")
    add_run("two", mae=0.25, encoder="other")
    add_run("three", finished=False)
    return tmp_path / "runs"


def test_the_report_of_one_run_is_written_again(runs: Path, capsys) -> None:
    (runs / "one" / "report.html").unlink()
    assert execute(["report", str(runs / "one")]) == 0
    assert capsys.readouterr().out == f"Report: {runs / 'one' / 'report.html'}\n"
    assert "Mean absolute error" in (runs / "one" / "report.html").read_text("utf-8")


def test_a_run_that_is_not_finished_has_a_report_too(runs: Path) -> None:
    assert execute(["report", str(runs / "three")]) == 0
    assert "has no run.json" in (runs / "three" / "report.html").read_text("utf-8")


def test_several_runs_are_compared_beside_them(runs: Path, capsys) -> None:
    assert execute(["report", *map(str, sorted(runs.iterdir()))]) == 0
    assert capsys.readouterr().out == f"Comparison of 3 runs: {runs / 'comparison.html'}\n"
    page = (runs / "comparison.html").read_text("utf-8")
    assert "3 runs compared" in page
    assert f"matsciml report {runs / 'one'}" in page


def test_the_comparison_goes_where_it_is_told_to(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    assert execute(["report", str(runs / "one"), "--output", str(page)]) == 0
    assert "1 run compared" in page.read_text("utf-8")


def test_copies_and_repeats_of_a_run_are_no_further_seeds(
    runs: Path, tmp_path: Path, add_run
) -> None:
    shutil.copytree(runs / "one", runs / "one-copied")
    add_run("one-repeated", mae=0.5)
    add_run("one-reseeded", mae=0.7, seed=1)
    site = tmp_path / "site"
    assert execute(["leaderboard", str(runs), "--output", str(site)]) == 0
    entries = json.loads((site / "index.json").read_text("utf-8"))["entries"]
    assert {entry["encoder"]: entry["seeds"] for entry in entries} == {"net": 2, "other": 1}
    assert next(entry for entry in entries if entry["encoder"] == "net")["mean"] == 0.6
    assert "2 repeats of the same seeds left out" in (site / "index.html").read_text("utf-8")


def test_the_leaderboard_is_a_site(runs: Path, tmp_path: Path, capsys) -> None:
    site = tmp_path / "site"
    assert execute(["leaderboard", str(runs), "--output", str(site)]) == 0
    assert capsys.readouterr().out == f"Leaderboard: {site / 'index.html'}\n"
    assert {path.name for path in site.iterdir()} == {
        "index.html", "index.md", "index.csv", "index.json", "runs",
    }  # fmt: skip
    assert f"matsciml leaderboard {runs} --output {site}" in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "{empty}"], "no run folder there; name some"),
        (["report", "{empty}/nowhere"], "does not exist; name run folders"),
        (["leaderboard", "{runs}/three"], "None of these runs is finished"),
    ],
)
def test_what_cannot_be_is_answered_with_one_sentence(
    runs: Path, tmp_path: Path, capsys, arguments: list[str], words: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert execute([text.format(empty=empty, runs=runs) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert words in " ".join(error.split())
    assert "Traceback" not in error


def test_pages_that_exist_are_replaced_when_asked(runs: Path, tmp_path: Path, capsys) -> None:
    for command in (["report", str(runs)], ["leaderboard", str(runs)]):
        page = [*command, "--output", str(tmp_path / command[0])]
        assert execute(page) == 0
        capsys.readouterr()
        assert execute(page) == 2
        assert "exists; give --replace" in capsys.readouterr().err
        assert execute([*page, "--replace"]) == 0


def test_runs_are_never_written_over(runs: Path, capsys) -> None:
    for command in ("report", "leaderboard"):
        target = str(runs / "one")
        assert execute([command, target, "--output", target, "--replace"]) == 2
        assert "is what the command reads" in capsys.readouterr().err
