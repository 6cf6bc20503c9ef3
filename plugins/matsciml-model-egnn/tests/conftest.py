"""Shared fixtures: small batches, and the folder of reference numbers."""

from pathlib import Path

import pytest
import torch

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of E(n)-GNN's reference numbers."""
    folder = REPOSITORY.parent / "shared" / "parity" / "egnn"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return folder


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge, edges within 4 Å, float64."""
    crystals = [*all_crystals(), isolated_atom(4.0)]
    return attach_neighbours(CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=4.0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
