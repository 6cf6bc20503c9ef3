"""A small model on disk, with heads for several labels, found by a registry of its own."""

from __future__ import annotations

import pytest
import torch

from matsciml_core import TargetInfo, Task, build_registry
from matsciml_core.model.storage import save_model
from matsciml_core.testing.crystals import all_crystals
from matsciml_core.testing.examples import ExampleEncoder, ExampleHead

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
DENSITY = TargetInfo(name="density", kind="scalar", unit="g/cm³")


def make_tasks(encoder, labels):
    """Return a task for each (dataset, label), with constants that a head could have fitted."""
    tasks = []
    for number, (dataset, info) in enumerate(labels):
        head = ExampleHead([info], encoder.atom_width, encoder.crystal_width)
        head.mean.fill_(2.0 + number)
        head.std.fill_(3.0)
        tasks.append(Task(dataset=dataset, head_name="example", head=head))
    return tasks


@pytest.fixture
def registry(plugin_folder):
    plugin_folder.add_examples()
    return build_registry(path=plugin_folder.search)


@pytest.fixture
def make_model(tmp_path):
    """Write a model, and return its folder."""

    def make(labels=(("mine", GAP),), *, elements=None, dtype=torch.float32, name="model"):
        torch.manual_seed(0)
        encoder = ExampleEncoder().to(dtype)
        tasks = make_tasks(encoder, labels)
        for task in tasks:
            task.head.layers.to(dtype)
        folder = tmp_path / name
        folder.mkdir()
        extra = {} if elements is None else {"elements": elements}
        save_model(folder, "example", encoder, tasks, extra)
        return folder

    return make


@pytest.fixture
def crystals():
    return all_crystals()
