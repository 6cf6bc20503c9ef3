"""Shared fixtures: small batches, and one seed for all tests."""

import pytest
import torch

from matsciml_core import CrystalBatch
from matsciml_core.testing.crystals import all_crystals, isolated_atom


@pytest.fixture
def crystals() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any neighbour, float64, without edges."""
    return CrystalBatch.from_crystals([*all_crystals(), isolated_atom(4.0)])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
