"""Example components that train in a second, and structures to hand over."""

from __future__ import annotations

import pytest

from matsciml_core import build_registry
from matsciml_core.testing.examples import ExampleDataset


@pytest.fixture
def registry(plugin_folder):
    """Give a registry of the example components."""
    plugin_folder.add_examples()
    return build_registry(path=plugin_folder.search)


@pytest.fixture(scope="session")
def crystals():
    """Give forty crystals, which have labels."""
    dataset = ExampleDataset()
    return [dataset[index] for index in range(len(dataset))]
