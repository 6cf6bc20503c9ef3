"""Force models of random weights for copper and gold."""

from __future__ import annotations

import pytest

from matsciml_core import load
from matsciml_util_potential.testing.force_models import distorted_alloy, force_model_writer


@pytest.fixture(scope="module")
def write_force_model(module_plugin_folder):
    return force_model_writer(module_plugin_folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_force_model):
    return write_force_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def model(folder):
    return load(folder, device="cpu")


@pytest.fixture
def atoms():
    return distorted_alloy()
