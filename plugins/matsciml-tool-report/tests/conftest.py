"""A summary of a run, as ``run.json`` holds it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

SUMMARY: dict[str, Any] = {
    "status": "finished",
    "wall_seconds": 10.0,
    "parameters": {"total": 1234},
    "hardware": {"cpu": "Some CPU", "cores": 2, "gpu": None},
    "datasets": {
        "toy": {
            "labels": {"gap": {"kind": "scalar", "unit": "eV"}},
            "split": {"hash": "abc", "sizes": {"train": 80}},
        }
    },
    "heads": {"toy/gap": {"mean": 1.0, "std": 2.0}},
    "metrics": {
        "test": {"toy/gap": {"mse": 1.0, "mae": 0.5, "skill": 0.25, "unit": "eV", "count": 9}}
    },
    "baselines": {"toy/gap": {"mean": {"mse": 4.0, "mae": 1.5, "unit": "eV", "count": 9}}},
    "citations": ["@article{one, title={One}}"],
}


@pytest.fixture
def summary() -> dict[str, Any]:
    """Give the summary of a finished run, which a test may change."""
    return copy.deepcopy(SUMMARY)
