"""Shared fixtures: the reference numbers, and small batches."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from matsciml_core import CrystalBatch, TargetInfo
from matsciml_core.testing.crystals import all_crystals

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def reference() -> dict[str, Tensor]:
    """The reference numbers, float64."""
    folder = REPOSITORY.parent / "shared" / "parity" / "cdvae"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return load_file(folder / "cdvae_model_reference_float64.safetensors")


@pytest.fixture(scope="session")
def original() -> ModuleType:
    """The file beside this one that knows the original's small model."""
    spec = importlib.util.spec_from_file_location(
        "_cdvae_original", Path(__file__).with_name("original.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def structure() -> TargetInfo:
    return TargetInfo(name="structure", kind="structure", unit="dimensionless")


@pytest.fixture
def batch(structure) -> CrystalBatch:
    """Crystals of one to five atoms, float64, without edges."""
    batch = CrystalBatch.from_crystals(all_crystals())
    batch.targets["structure"] = torch.ones(batch.num_crystals, dtype=torch.float64)
    batch.target_info = {"structure": structure}
    return batch


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
