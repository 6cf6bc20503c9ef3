"""Pages that compare runs, and the site that ranks them."""

from __future__ import annotations

import json

import pytest

from matsciml_core.errors import ConfigError, DataError
from matsciml_tool_report.comparison import comparison_page, write_comparison
from matsciml_tool_report.leaderboard import ranking, write_site
from matsciml_tool_report.run_folders import find_runs
from matsciml_util_pages.testing.documents import read_document


def test_runs_are_found_once_however_they_are_named(add_run, tmp_path):
    first, second = add_run("one"), add_run("two", finished=False)
    latest = tmp_path / "runs" / "latest"
    latest.symlink_to("two")
    (tmp_path / "runs" / "comparison.html").write_text("old")
    named = sorted((tmp_path / "runs").iterdir())
    assert [run.folder for run in find_runs(named)] == [second, first]
    assert [run.folder for run in find_runs([tmp_path])] == [first, second]


def test_where_there_is_no_run_the_error_says_what_to_name(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"no run folder there; name some, for example runs/\*"):
        find_runs([tmp_path])
    with pytest.raises(ConfigError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])


def test_runs_stand_beside_each_other(add_run, tmp_path):
    runs = [add_run("one"), add_run("two", mae=0.25, encoder="other"), add_run("x", finished=False)]
    page = comparison_page(find_runs(runs), str)
    results, learning, settings = page.sections
    texts = [{key: value.text for key, value in row.items()} for row in results.sheets[0].rows]
    assert [one["run"] for one in texts] == ["A", "B", "C"]
    assert [one["value"] for one in texts] == ["0.500", "0.250", "—"]
    assert [one["state"] for one in texts] == ["finished", "finished", "not finished"]
    assert results.sheets[0].rows[0]["run"].link == str(runs[0])
    (figure,) = learning.views[0].plots
    assert figure.title == "Validation MAE, toy/gap"
    assert "A: 1.50\u00a0eV after epoch 1" in figure.caption
    names = [row["setting"].text for row in settings.sheets[0].rows]
    assert names == ["encoder.name"]
    assert [settings.sheets[0].rows[0][letter].text for letter in "ABC"] == ["net", "other", "net"]
    assert page.notices == []


def test_runs_that_were_tested_on_other_crystals_are_pointed_out(add_run, tmp_path):
    runs = [add_run("one"), add_run("two", split="def")]
    (notice,) = comparison_page(find_runs(runs), str).notices
    assert "2 different splits" in notice


def test_runs_of_different_length_share_a_figure(add_run, tmp_path):
    runs = [add_run("one", epochs=2), add_run("two", epochs=5)]
    (figure,) = comparison_page(find_runs(runs), str).sections[1].views[0].plots
    assert "after epoch 2" in figure.caption
    assert "after epoch 5" in figure.caption


def test_the_comparison_is_one_file(add_run, tmp_path):
    path = write_comparison(find_runs([add_run("one"), add_run("two")]), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert "2 runs compared" in text
    assert 'href="runs/one/report.html"' in text
    assert "All settings are the same" not in text or "training.seed" not in text
    assert '<svg class="plot"' in text


def test_seeds_are_one_entry_and_the_best_comes_first(add_run):
    runs = [
        add_run("a", mae=0.5), add_run("b", mae=0.75, seed=1),
        add_run("c", mae=0.25, encoder="other"),
    ]  # fmt: skip
    ((best, second),) = ranking(find_runs(runs))
    assert best.value.values == (0.25,)
    assert second.value.values == (0.5, 0.75)


def test_other_splits_are_ranked_apart(add_run):
    groups = ranking(find_runs([add_run("a"), add_run("b", split="def")]))
    assert [len(group) for group in groups] == [1, 1]


def test_rankings_of_one_label_are_told_apart(add_run, registry, tmp_path):
    runs = find_runs([add_run("a"), add_run("b", split="def")])
    page = read_document(write_site(runs, tmp_path / "site", registry))
    titles = [one for one in page.text("h2") if "split" in one]
    assert [one.partition(", split ")[2] for one in titles] == ["abc", "def"]
    alone = read_document(write_site(runs[:1], tmp_path / "one", registry))
    assert not [title for title in alone.text("h2") if "split" in title]


def test_every_baseline_stands_in_its_ranking(add_run, registry, tmp_path):
    folder = add_run("a")
    summary = json.loads((folder / "run.json").read_text())
    (key,) = summary["baselines"]
    summary["baselines"][key] = {
        "mean": {"mae": 0.9}, "composition": {"mae": 0.4}, "zero": {"mae": 2.0},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(summary))
    page = write_site(find_runs([folder]), tmp_path / "site", registry)
    text = page.read_text(encoding="utf-8")
    places = [text.index(f"predicting {word}") for word in ("from composition", "the mean", "zero")]
    assert places == sorted(places)
    assert text.count("no network") == 3


def test_the_site_stands_alone(add_run, registry, tmp_path):
    runs = [add_run("a"), add_run("b", mae=0.1, encoder="other"), add_run("c", finished=False)]
    page = write_site(find_runs(runs), tmp_path / "site", registry, "matsciml leaderboard runs")
    assert page == tmp_path / "site" / "index.html"
    text = page.read_text(encoding="utf-8")
    assert "2 finished, 1 left out" in text
    assert 'href="runs/b/report.html"' in text
    assert "Mean absolute error" in (tmp_path / "site/runs/b/report.html").read_text("utf-8")
    entries = json.loads((tmp_path / "site" / "index.json").read_text("utf-8"))["entries"]
    assert [(one["place"], one["encoder"], one["mean"]) for one in entries] == [
        (1, "other", 0.1), (2, "net", 0.5),
    ]  # fmt: skip
    assert "predicting the mean" in text


def test_reports_and_summaries_are_written_anew(add_run, registry, tmp_path):
    """What lies in a run folder may be anybody's: a page with a script, for example."""
    run = add_run("a")
    (run / "report.html").write_text("<script>document.title = 'ran'</script>")
    (run / "config.yaml").write_text(f"# <script>1</script>\n{(run / 'config.yaml').read_text()}")
    write_site(find_runs([run]), tmp_path / "site", registry)
    published = tmp_path / "site" / "runs" / "a"
    assert {path.name for path in published.iterdir()} == {
        "report.html", "run.json", "config.yaml",
    }  # fmt: skip
    for path in published.iterdir():
        text = path.read_text("utf-8")
        assert "'ran'" not in text
        assert "<script>1" not in text
    assert "Content-Security-Policy" in (published / "report.html").read_text("utf-8")
    summary = json.loads((published / "run.json").read_text("utf-8"))
    assert summary == json.loads((run / "run.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["report.html", "run.json", "notes/private.txt", "checkpoints"])
def test_a_run_folder_with_a_link_is_refused(add_run, tmp_path, name):
    """A report of it would publish, or write to, what the link leads to."""
    private = tmp_path / "private"
    private.write_text(json.dumps({"status": "finished"}))
    run = add_run("a")
    (run / name).unlink(missing_ok=True)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(private)
    with pytest.raises(DataError, match=r"is a link.*; put the file itself there"):
        find_runs([tmp_path / "runs"])


def test_a_site_of_nothing_is_refused(add_run, registry, tmp_path):
    runs = find_runs([add_run("a", finished=False)])
    with pytest.raises(ConfigError, match="None of these runs is finished"):
        write_site(runs, tmp_path / "site", registry)
