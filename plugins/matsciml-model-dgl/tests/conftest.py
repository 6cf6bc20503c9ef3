"""What needs DGL is skipped where DGL is missing; a small batch."""

from importlib.util import find_spec

import pytest
import torch

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge, edges within 4 Å, float64."""
    crystals = [*all_crystals(), isolated_atom(4.0)]
    return attach_neighbours(CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=4.0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of the network itself, and say what they would need."""
    if find_spec("dgl") is not None:
        return
    reason = "DGL is not installed; with Python 3.11: pip install 'dgl==1.1.3'"
    for item in items:
        if item.path.parent.parent.name == "matsciml-model-dgl" and item.path.stem != "test_plugin":
            item.add_marker(pytest.mark.skip(reason=reason))
