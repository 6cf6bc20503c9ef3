"""``matsciml matbench`` from a file to a record."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from matsciml_core import files
from matsciml_core.files import write_json

PROBE = """
import json, sys
import matsciml_tool_matbench.plugin, matsciml_tool_matbench.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
PLUGIN = """
    from matsciml_tool_matbench.plugin import matsciml_commands

    __all__ = ["matsciml_commands"]
"""
TABLES = """
    from matsciml_reader_tables.plugin import matsciml_readers

    __all__ = ["matsciml_readers"]
"""


@pytest.fixture
def matbench(cli, plugin_folder, tmp_path_factory, monkeypatch):
    plugin_folder.add("matsciml-tool-matbench", PLUGIN)
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    return lambda *arguments: cli("matbench", *map(str, arguments))


def test_the_command_loads_no_torch():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "sklearn", "pydantic"} & set(json.loads(output))


def test_tasks_are_listed_with_the_best_published_error(matbench):
    lines = matbench("list").out.splitlines()
    assert len(lines) == 14
    (phonons,) = [line for line in lines if line.startswith("phonons")]
    assert "1,265" in phonons
    assert "28.76" in phonons
    (steels,) = [line for line in lines if line.startswith("steels")]
    assert "cannot be run here" in steels


def test_a_prepared_task_is_recorded_beside_the_published_errors(matbench, small, plugin_folder):
    pytest.importorskip("matsciml_reader_tables", reason="reads the JSON")
    plugin_folder.add("matsciml-reader-tables", TABLES)
    task, file = small("phonons")
    outcome = matbench("prepare", "phonons", "--file", file)
    assert outcome.code == 0, outcome.err
    assert "20 of 20 crystals." in outcome.out
    assert "--dataset matbench-phonons --by matbench-phonons-folds.json" in outcome.out
    folds = json.loads(Path("matbench-phonons-folds.json").read_text())
    # As matsciml folds would leave it, with predictions that are off by 30 everywhere.
    Path("cv").mkdir()
    with Path("cv/predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["fold", "dataset", "target", "id", "index", "label", "prediction"])
        for fold, ids in enumerate(folds.values(), start=1):
            writer.writerows([fold, task.dataset, task.label, id, 0, 500.0, 530.0] for id in ids)
    assigned = {f"fold-{k}": ids for k, ids in enumerate(folds.values(), start=1)}
    write_json(Path("cv/assignment.json"), assigned)
    outcome = matbench("record", "cv", "--algorithm", "mine")
    assert outcome.code == 0, outcome.err
    names = ("coGN", "this model", "dummy")
    assert re.findall(f" ({'|'.join(names)})$", outcome.out, re.MULTILINE) == list(names)
    record = json.loads(Path("results.json").read_text())
    assert record["user_metadata"] == {"algorithm": "mine"}
    assert list(record["tasks"]) == ["matbench_phonons"]
    assert json.loads(Path("results.matbench.json").read_text())["algorithm"] == "mine"
    assert "give --replace" in matbench("record", "cv").error


def test_a_task_that_cannot_be_run_says_why(matbench):
    assert "are compositions" in matbench("prepare", "glass").error
    assert "does not exist" in matbench("prepare", "phonons", "--file", "no.json.gz").error
    assert not list(Path().iterdir())


def test_ctrl_c_between_both_files_of_a_record_says_what_is_left(matbench, tmp_path, monkeypatch):
    record = {"tasks": {}, "user_metadata": {}}
    monkeypatch.setattr("matsciml_tool_matbench.record.make_record", lambda *_: record)
    write = files.write_json

    def stop(path, data):
        if path.name != "results.json":
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(files, "write_json", stop)
    words = ["record", "cv", "--output", str(tmp_path / "results.json")]
    outcome = matbench(*words)
    assert outcome.code == 130
    assert "may lack" in outcome.err
    assert outcome.err.rstrip().endswith("--replace writes both.")
    monkeypatch.setattr(files, "write_json", write)
    assert "give --replace" in matbench(*words).err
    assert matbench(*words, "--replace").code == 0
    assert (tmp_path / "results.matbench.json").is_file()
