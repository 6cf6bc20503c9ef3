"""A file as orb-models has it, of a small network."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

INPUTS = runpy.run_path(str(Path(__file__).with_name("orb_inputs.py")))
REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


@pytest.fixture(scope="session")
def reference():
    """Numbers of orb-models 0.5.5, see write_reference.py."""
    return REFERENCE["numbers"]


@pytest.fixture
def structures():
    """The crystals and the molecule that they are of, by name."""
    return INPUTS["structures"]()


@pytest.fixture
def tensors():
    """The tensors of the file that they are of."""
    constants = {name: torch.tensor(value) for name, value in REFERENCE["constants"].items()}
    return {**constants, **INPUTS["weights"](REFERENCE["shapes"])}


@pytest.fixture
def write_file(tmp_path, tensors):
    """A function that writes the file, with changes, under a name."""

    def write(name="orb-v3-conservative-inf-small.ckpt", **changes):
        torch.save({**tensors, **changes}, tmp_path / name)
        return tmp_path / name

    return write
