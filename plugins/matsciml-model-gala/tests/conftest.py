"""Shared fixtures: reference numbers, and small batches."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of the reference numbers."""
    folder = REPOSITORY.parent / "shared" / "parity" / "gala"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return folder


@pytest.fixture(scope="session")
def reference(parity) -> dict[str, torch.Tensor]:
    """All reference tensors by name."""
    return load_file(parity / "gala_reference_float64.safetensors")


@pytest.fixture(scope="session")
def description(parity) -> dict:
    """The multiplication table, the dual, and what each case is."""
    return json.loads((parity / "gala_reference.json").read_text(encoding="utf-8"))


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge, six neighbours, float64."""
    crystals = [*all_crystals(), isolated_atom(5.0)]
    neighbourhood = Neighbourhood(cutoff=5.0, max_neighbours=6)
    return attach_neighbours(CrystalBatch.from_crystals(crystals), neighbourhood)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
