"""The command line is run within the tests, and models are trained on nothing."""

from __future__ import annotations

import pytest

from matsciml_cli.testing import cli
from matsciml_core import TargetInfo, build_registry
from matsciml_core.data.readers.extxyz import write_frames
from matsciml_core.model.ensembles import write_ensemble
from matsciml_core.testing.examples import ExampleDataset
from matsciml_core.testing.models import write_model

__all__ = ["cli"]
PLUGIN = """
    from matsciml_tool_select.plugin import matsciml_commands

    __all__ = ["matsciml_commands"]
"""
ENERGY = TargetInfo(name="energy", kind="scalar", unit="eV/atom")


@pytest.fixture
def registry(plugin_folder):
    plugin_folder.add_examples()
    plugin_folder.add("matsciml-tool-select", PLUGIN)
    return build_registry(path=plugin_folder.search)


@pytest.fixture
def crystals():
    dataset = ExampleDataset()
    return [dataset[k] for k in range(12)]


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "one", [ENERGY])


@pytest.fixture
def ensemble(tmp_path, model):
    """Two models that differ by a factor, and hence more where the prediction is larger."""
    other = write_model(tmp_path / "two", [ENERGY], constants={"std": 3.0})
    folder = tmp_path / "both"
    folder.mkdir()
    write_ensemble(folder, [model, other], {})
    return folder


@pytest.fixture
def candidates(tmp_path, crystals):
    file = tmp_path / "new.extxyz"
    write_frames(file, crystals)
    return file
