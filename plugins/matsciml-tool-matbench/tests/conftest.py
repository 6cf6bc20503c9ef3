"""A task of twenty crystals in the form in which MatBench publishes its data."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from matsciml_cli.testing import cli
from matsciml_core.convert import to_pymatgen
from matsciml_core.files import hash_of
from matsciml_core.testing.examples import ExampleDataset
from matsciml_tool_matbench import tasks as module
from matsciml_tool_matbench.tasks import find_task

__all__ = ["cli"]
SIZE = 20


def write_task(folder, task):
    """Write the file of a small task, and return the task with its size and checksum."""
    dataset = ExampleDataset()
    rows = []
    for index in range(SIZE):
        value = index % 3 == 0 if task.is_class else 100.0 * dataset[index].labels["energy"]
        rows.append([to_pymatgen(dataset[index]).as_dict(), value])
    table = {"index": list(range(SIZE)), "columns": ["structure", task.column], "data": rows}
    file = folder / task.file
    file.write_bytes(gzip.compress(json.dumps(table).encode()))
    return replace(task, size=SIZE, sha256=hash_of(file)), file


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Returns a task by name and its file; the command finds the same."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    everything = {task.name: task for task in module.tasks()}

    def make(name):
        task, file = write_task(tmp_path, find_task(name))
        everything[name] = task
        monkeypatch.setattr(module, "tasks", lambda: tuple(everything.values()))
        return task, file

    return make
