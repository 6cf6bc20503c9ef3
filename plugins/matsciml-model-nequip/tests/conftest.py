"""Shared fixtures: small batches, and equal random numbers in every test."""

import pytest
import torch

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge, edges within 4 Å, float64."""
    crystals = [*all_crystals(), isolated_atom(4.0)]
    return attach_neighbours(CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=4.0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
