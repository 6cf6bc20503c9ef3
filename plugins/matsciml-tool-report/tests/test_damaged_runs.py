"""Reports of run folders that lack something, or hold something else than they should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matsciml_core.errors import ConfigError
from matsciml_core.training.run_folder import CONFIG, METRICS, PREDICTIONS, SUMMARY
from matsciml_util_pages.testing.documents import read_document, single_spaced
from matsciml_util_pages.testing.example_runs import (
    ExampleRun,
)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", [CONFIG, METRICS, PREDICTIONS, SUMMARY])
def test_missing_file_is_named(write, run: ExampleRun, name: str) -> None:
    folder = run.write()
    (folder / name).unlink()
    page = read_document(write(folder))
    assert f"The run folder has no {name}." in single_spaced(" ".join(page.text("body")))


@pytest.mark.usefixtures("undrawn")
def test_run_that_was_stopped_shows_what_it_has(write, run: ExampleRun) -> None:
    """A run writes its summary and predictions last."""
    folder = run.write()
    (folder / SUMMARY).unlink()
    (folder / PREDICTIONS).unlink()
    page = read_document(write(folder))
    assert page.text("h1") == ["megnet on mp"]
    assert page.text("p", role="note") == ["The run folder has no run.json."]
    assert page.text("div", "learning", class_="figure-title") == ["Loss", "Learning rate"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (CONFIG, "a: [", "config.yaml could not be read"),
        (CONFIG, "- 1", "config.yaml could not be read: it is not a mapping of settings."),
        (SUMMARY, "{", "run.json could not be read"),
        (SUMMARY, "[]", "run.json could not be read: it is not a mapping."),
        (METRICS, "a,b\n1,2\n", "metrics.csv could not be read: it has no column 'epoch'."),
        (METRICS, "epoch,train/loss\n0,much\n", "metrics.csv could not be read"),
        (PREDICTIONS, "id,label\nx,1\n", "could not be read: line 2 is incomplete or holds no"),
        (METRICS, "epoch,train/loss\n0,1.0\n1\n", "metrics.csv could not be read: line 3 is"),
        (
            PREDICTIONS,
            "dataset,target,id,index,label,prediction\nmp,a,x,0,1.0,1.5\nmp,a,y,0,1.",
            "predictions-test.csv could not be read: line 3 is incomplete or holds no",
        ),
        (PREDICTIONS, "", "predictions-test.csv has no row for mp/formation_energy_per_atom."),
    ],
)
def test_damaged_file_is_named(
    write, run: ExampleRun, name: str, content: str, reason: str
) -> None:
    folder = run.write()
    (folder / name).write_text(content, encoding="utf-8")
    assert reason in single_spaced(" ".join(read_document(write(folder)).text("body")))


@pytest.mark.usefixtures("undrawn")
def test_summary_with_parts_of_other_types(write, run: ExampleRun) -> None:
    folder = run.write()
    data = {"metrics": [1], "datasets": "mp", "heads": None, "citations": 3, "best_epoch": "x"}
    (folder / SUMMARY).write_text(json.dumps(data), encoding="utf-8")
    page = read_document(write(folder))
    assert "The run recorded no test metrics." in page.section("results")
    assert "The run recorded no dataset." in page.section("data")


def test_folder_that_is_no_run_is_refused(write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a run folder"):
        write(tmp_path)
