"""Shared fixtures: the reference cases, and tasks without a model."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from matsciml_core.testing.strategy.subject import make_task

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of reference numbers."""
    folder = REPOSITORY.parent / "shared" / "parity" / "pcgrad"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return folder


@pytest.fixture(scope="session")
def cases(parity) -> dict[int, dict]:
    """The reference cases of PCGrad, by number."""
    records = json.loads((parity / "pcgrad_cases.json").read_text(encoding="utf-8"))["cases"]
    return {record["case"]: record for record in records}


@pytest.fixture(scope="session")
def matrices(cases) -> dict[int, torch.Tensor]:
    """The gradients of each case, ``(tasks, parameters)`` float64."""
    return {
        number: torch.tensor(case["gradients"], dtype=torch.float64)
        for number, case in cases.items()
    }


@pytest.fixture(scope="session")
def others(parity) -> dict[int, dict[str, list[float] | None]]:
    """What other aggregators make of the same gradients, by number."""
    path = parity / "other_aggregators_torchjd.json"
    records = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {record["case"]: record for record in records}


@pytest.fixture
def torchjd():
    """The aggregators of torchjd, where it is installed."""
    if find_spec("torchjd") is None:
        pytest.skip("torchjd is not installed; it serves as a cross-check only.")
    from torchjd import aggregation

    return aggregation


@pytest.fixture
def tasks_named():
    """A function that makes tasks on one dataset."""
    return lambda names: [make_task(name, dataset="toy") for name in names]


@pytest.fixture
def equal_losses():
    """A function that makes losses of 1 for tasks of some names."""
    return lambda names: {f"toy/{name}": torch.tensor(1.0, dtype=torch.float64) for name in names}
