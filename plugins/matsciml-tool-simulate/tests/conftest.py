"""Force models of random weights for copper and gold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ase.build import bulk

from matsciml_core import TargetInfo, build_registry, load

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
PLUGIN = """
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


@pytest.fixture(scope="module")
def write_force_model(module_plugin_folder, write_model):
    """Give a function that writes a model of random weights, in double precision, for Cu and Au.

    Its energies and forces are those of some smooth function of the positions, of a size that
    moves atoms.
    """
    module_plugin_folder.add_examples()
    text = Path(__file__).with_name("atomic_sum.py").read_text(encoding="utf-8")
    module_plugin_folder.add("matsciml-head-sum", PLUGIN, modules={"atomic_sum": text})
    registry = build_registry(path=module_plugin_folder.search)
    head = registry.get("task-head", "atomic-sum")

    def write(folder, labels=(ENERGY, FORCES), *, scale=5.0):
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_force_model):
    return write_force_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def model(folder):
    return load(folder, device="cpu")


@pytest.fixture
def atoms():
    """Return eight atoms of a distorted alloy, off their sites."""
    alloy = bulk("Cu", cubic=True, a=3.7) * (2, 1, 1)
    alloy.symbols[::3] = "Au"
    alloy.set_cell(alloy.cell.array @ [[1, 0.02, 0], [0.02, 1.01, 0.03], [0, 0.03, 0.98]], True)
    alloy.rattle(0.15, seed=3)
    return alloy
