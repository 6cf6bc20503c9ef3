"""A run for each fold, what they say together, and what another call of the same makes of it."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

import pytest

import matsciml_tool_folds.cross_validation as subject
from matsciml_core import build_registry
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.training import after_fit
from matsciml_tool_folds.cross_validation import cross_validate
from matsciml_tool_folds.ensemble import make_ensemble
from matsciml_tool_folds.making import FoldRequest
from matsciml_tool_folds.results import lines

CONFIG = {
    "dataset": "example",
    "encoder": "example",
    "strategy": "example",
    "training": {"epochs": 1, "loggers": []},
}
REQUEST = FoldRequest(number=3, validation=0.3)
KEY = "example/energy"


@pytest.fixture(scope="module")
def registry(module_plugin_folder):
    module_plugin_folder.add_examples()
    return build_registry(path=module_plugin_folder.search)


@pytest.fixture(scope="module")
def folder(registry, tmp_path_factory):
    """The folder of three finished folds."""
    output = tmp_path_factory.mktemp("runs")
    return cross_validate({**CONFIG, "output": str(output)}, REQUEST, registry, quiet=True)


def runs(folder):
    return [(folder / f"fold-{fold}" / "latest").resolve() for fold in (1, 2, 3)]


def untrainable(**_):
    raise AssertionError("nothing is to be trained")


def test_every_crystal_is_predicted_by_the_run_that_has_not_seen_it(folder):
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["id"] for row in rows) == [f"example-{k:03d}" for k in range(40)]
    assignment = json.loads((folder / "assignment.json").read_text())
    for row in rows:
        assert row["id"] in assignment[f"fold-{row['fold']}"]


def test_each_run_was_trained_and_validated_outside_its_fold(folder):
    assignment = json.loads((folder / "assignment.json").read_text())
    for fold, run in enumerate(runs(folder), start=1):
        split = json.loads((run / "split-example.json").read_text())["subsets"]
        assert split["test"] == assignment[f"fold-{fold}"]
        assert split["validation"]
        assert not set(split["test"]) & {*split["train"], *split["validation"]}
        assert not set(split["train"]) & set(split["validation"])


def test_the_summary_is_mean_and_deviation_of_what_the_runs_measured(folder):
    data = json.loads((folder / "summary.json").read_text())
    measured = [json.loads((run / "run.json").read_text()) for run in runs(folder)]
    mae = [run["metrics"]["test"][KEY]["mae"] for run in measured]
    mean = [run["baselines"][KEY]["mean"]["mae"] for run in measured]
    assert data["status"] == "finished"
    assert data["metrics"][KEY]["unit"] == "eV/atom"
    assert data["metrics"][KEY]["mae"]["values"] == mae
    assert data["metrics"][KEY]["mae"]["mean"] == pytest.approx(statistics.fmean(mae))
    assert data["metrics"][KEY]["mae"]["std"] == pytest.approx(statistics.stdev(mae))
    assert data["baselines"][KEY]["mean"]["mae"]["mean"] == pytest.approx(statistics.fmean(mean))


def test_the_page_and_the_last_line_set_the_model_beside_the_baseline(folder):
    page = (folder / "report.html").read_text()
    assert "3 folds" in page
    assert "Predicting the mean" in page
    (line,) = lines(folder)
    assert line.startswith(f"{KEY}: MAE ")
    assert "eV/atom over 3 of 3 folds; mean " in line


def test_the_same_call_trains_nothing_again(folder, registry, monkeypatch):
    monkeypatch.setattr(subject, "train", untrainable)
    config = {**CONFIG, "output": str(folder.parent)}
    assert cross_validate(config, REQUEST, registry, quiet=True) == folder


def test_a_fold_that_was_killed_goes_on_from_its_checkpoint_and_no_other_is_trained(
    folder, registry, monkeypatch
):
    killed = runs(folder)[1]
    (killed / "run.json").unlink()
    resumed = []
    real = subject.train

    def noting(*arguments, **options):
        resumed.append(options.get("resume"))
        return real(*arguments, **options)

    monkeypatch.setattr(subject, "train", noting)
    cross_validate({**CONFIG, "output": str(folder.parent)}, REQUEST, registry, quiet=True)
    assert resumed == [killed]
    assert runs(folder)[1] == killed
    assert json.loads((killed / "run.json").read_text())["status"] == "finished"


def test_a_fold_that_was_killed_while_its_report_was_written_gets_it(folder, registry, monkeypatch):
    killed = runs(folder)[2]
    before = (killed / "model.safetensors").stat().st_mtime_ns
    after_fit.begin(killed)
    told = []
    real = type(registry).after_fit

    def noting(self, run, result):
        told.append(Path(run.folder))
        return real(self, run, result)

    monkeypatch.setattr(type(registry), "after_fit", noting)
    for _ in range(2):
        cross_validate({**CONFIG, "output": str(folder.parent)}, REQUEST, registry, quiet=True)
    assert told == [killed]
    assert (killed / "model.safetensors").stat().st_mtime_ns == before


def test_an_interruption_leaves_a_page_of_what_has_finished(registry, tmp_path, monkeypatch):
    real, calls = subject.train, []

    def interrupted(*arguments, **options):
        calls.append(options)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(subject, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(CONFIG, REQUEST, registry, folder=tmp_path / "cv", quiet=True)
    assert json.loads((tmp_path / "cv" / "summary.json").read_text())["status"] == "unfinished"
    assert "2 folds of 3 have not finished" in (tmp_path / "cv" / "report.html").read_text()


@pytest.mark.parametrize(
    ("config", "request_", "sentence"),
    [
        ({"training": {"epochs": 2, "loggers": []}}, REQUEST, "training.epochs is 1 there and 2"),
        ({}, FoldRequest(number=4), "folds.number is 3 there and 4 here"),
        ({}, FoldRequest(number=3, by="composition"), "folds.algorithm is"),
    ],
)
def test_other_settings_are_refused_in_the_same_folder(
    folder, registry, config, request_, sentence
):
    with pytest.raises(ConfigError, match=sentence):
        cross_validate({**CONFIG, **config}, request_, registry, folder=folder)


def test_other_settings_get_another_folder_of_their_own(folder, registry, monkeypatch):
    monkeypatch.setattr(subject, "train", lambda *_, **__: None)
    config = {**CONFIG, "encoder": {"name": "example", "width": 5}, "output": str(folder.parent)}
    other = cross_validate(config, REQUEST, registry, tell=lambda _: None)
    assert other != folder
    assert other.name.startswith("folds-example-example-")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"split": {"name": "random"}}, "leave it away, and say how"),
        ({"training": {"devices": 2}}, "on one device"),
    ],
)
def test_what_folds_cannot_be_made_of_is_refused(registry, tmp_path, config, sentence):
    with pytest.raises(Exception, match=sentence):
        cross_validate({**CONFIG, **config}, REQUEST, registry, folder=tmp_path / "cv")


def test_a_folder_with_something_else_in_it_is_left_alone(registry, tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match=r"'thesis\.txt' is there"):
        cross_validate(CONFIG, REQUEST, registry, folder=tmp_path)
    assert {one.name for one in tmp_path.iterdir()} <= {"thesis.txt", ".lock"}


def test_other_data_than_before_are_refused(folder, registry):
    record = folder / "folds.json"
    text = record.read_text()
    record.write_text(text.replace('"ids_hash": "', '"ids_hash": "0'))
    with pytest.raises(DataError, match="are not those that the folds"):
        cross_validate(CONFIG, REQUEST, registry, folder=folder)
    record.write_text(text)


def test_the_folds_make_an_ensemble_that_is_calibrated_on_what_their_runs_were_validated_on(
    folder, registry, tmp_path
):
    made = make_ensemble([folder], tmp_path / "ensemble", registry)
    validation = set()
    for run in runs(folder):
        split = json.loads((run / "split-example.json").read_text())["subsets"]
        validation |= set(split["validation"])
    assert len(made.members) == 3
    assert made.calibrations["energy"].count == len(validation)
