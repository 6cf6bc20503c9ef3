"""Force models of random weights for copper and gold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from ase.build import bulk

from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.models import write_model
from matsciml_core.testing.plugin_folder import PluginFolder

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
_PLUGIN = """
    from matsciml_core import TaskHeadSpec, hookimpl

    @hookimpl
    def matsciml_task_heads():
        yield TaskHeadSpec(
            name="atomic-sum",
            summary="Energy as a sum over atoms.",
            class_path="{package}.atomic_sum:AtomicSumHead",
            target_kinds=("energy", "forces", "stress"),
        )
"""


def force_model_writer(plugins: PluginFolder) -> Callable[..., Path]:
    """Return a function that writes a model of random weights, in double precision, for Cu and Au.

    Its energies and forces are those of some smooth function of the positions, of a size that
    moves atoms. It takes the folder, and as options the labels and the scale of energies (eV).

    Args:
        plugins: Where the encoder and the head of the model are installed.
    """
    plugins.add_examples()
    text = Path(__file__).with_name("atomic_sum.py").read_text(encoding="utf-8")
    plugins.add("matsciml-head-sum", _PLUGIN, modules={"atomic_sum": text})
    head = build_registry(path=plugins.search).get("task-head", "atomic-sum")

    def write(
        folder: Path, labels: Sequence[TargetInfo] = (ENERGY, FORCES), *, scale: float = 5.0
    ) -> Path:
        return write_model(
            folder,
            labels,
            head=head,
            settings={"cutoff": 5.5},
            constants={"mean": -3.0, "std": scale},
            elements=("Cu", "Au"),
            precision=torch.float64,
        )

    return write


def distorted_alloy() -> Any:
    """Return eight ASE atoms of copper and gold in a distorted cell, off their sites."""
    alloy = bulk("Cu", cubic=True, a=3.7) * (2, 1, 1)
    alloy.symbols[::3] = "Au"
    alloy.set_cell(alloy.cell.array @ [[1, 0.02, 0], [0.02, 1.01, 0.03], [0, 0.03, 0.98]], True)
    alloy.rattle(0.15, seed=3)
    return alloy
