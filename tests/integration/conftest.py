"""Trained models without training: random weights of a small network, written as a run does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from matsciml_core import TargetInfo, Task, build_registry
from matsciml_core.model.storage import save_model

_SMALL = {
    "preset": "forces",
    "width": 8,
    "num_layers": 2,
    "cutoff": 4.0,
    "message_widths": [16, 16],
    "update_widths": [16],
    "projection_widths": [16],
    "position_widths": [8],
    "position_gain": 0.1,
}


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    """Give a function that writes a model of random weights, in double precision, for Cu and Au.

    Its energies and forces are those of some smooth function of the positions, of a size that
    moves atoms.
    """

    def write(
        folder: Path,
        labels: Sequence[TargetInfo],
        *,
        head: str = "energy-forces",
        scale: float = 500.0,
    ) -> Path:
        registry = build_registry()
        torch.manual_seed(1)
        spec = registry.get("encoder", "egnn")
        encoder = spec.load()(spec.load_config().from_options(_SMALL, where="encoder"))
        head_class = registry.get("task-head", head).load()
        one = head_class(tuple(labels), encoder.atom_width, encoder.crystal_width, None)
        one.std.fill_(scale)
        one.mean.fill_(-3.0)
        folder.mkdir()
        task = Task(dataset="mine", head_name=head, head=one.double())
        save_model(folder, "egnn", encoder.double(), [task], {"elements": ["Cu", "Au"]})
        return folder

    return write
