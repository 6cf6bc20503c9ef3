"""Shared fixtures: the folder of reference numbers, and small batches."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of MEGNet's reference numbers."""
    folder = REPOSITORY.parent / "shared" / "parity" / "megnet"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return folder


@pytest.fixture(scope="session")
def reference(parity) -> Callable[[str], tuple[list[dict], CrystalBatch]]:
    """Read a file of structures and predictions: its records, and the crystals as a batch."""

    def read(name: str) -> tuple[list[dict], CrystalBatch]:
        records = json.loads((parity / name).read_text(encoding="utf-8"))
        crystals = [
            Crystal.from_fractional(
                id=record["material_id"],
                atomic_numbers=record["atomic_numbers"],
                fractional=record["frac_coords"],
                cell=record["lattice"],
            )
            for record in records
        ]
        return records, CrystalBatch.from_crystals(crystals)

    return read


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge, edges within 4 Å, float64."""
    crystals = [*all_crystals(), isolated_atom(4.0)]
    return attach_neighbours(CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=4.0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
