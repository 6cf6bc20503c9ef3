"""A file as mattersim has it, of a small network."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

INPUTS = runpy.run_path(str(Path(__file__).with_name("mattersim_inputs.py")))
REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


@pytest.fixture(scope="session")
def reference():
    """Numbers of mattersim 1.2.3, see write_reference.py."""
    return REFERENCE["numbers"]


@pytest.fixture
def structures():
    """The crystals and the molecule that they are of, by name."""
    return INPUTS["structures"]()


@pytest.fixture
def checkpoint():
    """The file that they are of, as Potential.save has it, without what training left."""
    bases = {name: torch.tensor(value) for name, value in REFERENCE["bases"].items()}
    return {
        "model_name": "m3gnet",
        "model": {**bases, **INPUTS["weights"](REFERENCE["shapes"])},
        "model_args": dict(REFERENCE["arguments"]),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0, 1]}]},
        "ema": {"decay": 0.99, "num_updates": 3, "shadow_params": [torch.ones(2)]},
        "scheduler": {"last_epoch": 4},
        "last_epoch": 4,
        "validation_metrics": {"loss": 0.5},
        "description": "",
    }


@pytest.fixture
def write_file(tmp_path, checkpoint):
    """A function that writes the file, with changes of its parts."""

    def write(model=None, model_args=None, **changes):
        checkpoint["model"].update(model or {})
        checkpoint["model_args"].update(model_args or {})
        torch.save({**checkpoint, **changes}, tmp_path / "small.pth")
        return tmp_path / "small.pth"

    return write
