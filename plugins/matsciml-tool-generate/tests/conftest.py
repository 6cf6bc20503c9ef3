"""Fixtures: the reference numbers, crystals, and a model that makes crystals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_cli.testing import cli
from matsciml_core import Crystal, Registry, TargetInfo, build_registry
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.storage import save_model
from matsciml_core.model.trained import load
from matsciml_core.testing.crystals import sodium_chloride
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_generate.structures import ParsedStructure

__all__ = ["cli"]

HERE = Path(__file__).parent
STRUCTURE = TargetInfo(name="structure", kind="structure", unit="dimensionless")
ENERGY = TargetInfo(name="formation_energy_per_atom", kind="scalar", unit="eV/atom")


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of CDVAE's reference numbers."""
    folder = HERE.parents[4] / "shared" / "parity" / "cdvae"
    if not folder.is_dir():
        pytest.skip(f"The reference numbers are not here: {folder} does not exist.")
    return folder


@pytest.fixture(scope="session")
def reference(parity: Path) -> dict[str, Any]:
    """CDVAE's own numbers for 50 crystals and 50 generated ones."""
    return json.loads((parity / "metrics_reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def crystals(reference: dict[str, Any]) -> dict[str, list[Crystal]]:
    """Those crystals."""
    return {
        name: [_crystal(f"{name}-{k}", entry["crystal"]) for k, entry in enumerate(reference[name])]
        for name in ("ground_truth", "generated")
    }


def _crystal(name: str, data: dict[str, Any]) -> Crystal:
    from pymatgen.core.lattice import Lattice

    return Crystal.from_fractional(
        id=name,
        atomic_numbers=data["atom_types"],
        fractional=data["frac_coords"],
        cell=Lattice.from_parameters(*data["lengths"], *data["angles"]).matrix,
    )


def rock_salt(edge: float = 5.6402, numbers: Sequence[int] = (11, 17), name: str = "x") -> Crystal:
    """A rock-salt crystal with a cube of a given edge, Å."""
    plain = sodium_chloride()
    return Crystal.from_fractional(
        id=name,
        atomic_numbers=numbers,
        fractional=plain.fractional,
        cell=plain.cell * edge / 5.6402,
    )


@pytest.fixture
def salt() -> Callable[..., Crystal]:
    """Make rock salt."""
    return rock_salt


@pytest.fixture
def nasty() -> list[ParsedStructure]:
    """Structures of all kinds that a generator may sample and that are not crystals of use."""
    cell, positions = np.eye(3) * 4.0, [[0, 0, 0], [2, 2, 2]]
    cases: dict[str, tuple[Any, Any, Any]] = {
        "undefined cell": ([11, 17], positions, cell * np.nan),
        "infinite position": ([11, 17], [[0, 0, 0], [np.inf, 0, 0]], cell),
        "flat cell": ([11, 17], positions, np.ones((3, 3))),
        "element 0": ([0, 17], positions, cell),
        "element 500": ([500, 17], positions, cell),
        "element -3": ([-3, 17], positions, cell),
        "half an element": ([np.nan, 17], positions, cell),
        "no atoms": ([], np.empty((0, 3)), cell),
        "too few positions": ([11, 17], [[0, 0, 0]], cell),
        "no numbers": (["Na", "Cl"], positions, cell),
        "overlapping": ([11, 17], [[1, 1, 1], [1, 1, 1]], cell),
        "needle": ([11], [[0, 0, 0]], np.diag([0.01, 1000.0, 0.02])),
        "sheet": ([11, 17], positions, np.diag([1e-3, 1e5, 1e5])),
        "tiny": ([11, 17], positions, np.eye(3) * 0.02),
        "huge": ([11, 17], positions, np.eye(3) * 1e4),
        "oganesson": ([118, 116], positions, cell),
    }
    return [ParsedStructure.from_arrays(name, *case) for name, case in cases.items()]


@pytest.fixture(autouse=True)
def _own_data_folder(data_folder: Path) -> None:
    """Fingerprints of the tests are not kept among the user's."""


@pytest.fixture
def plugin_folder(plugin_folder: PluginFolder) -> PluginFolder:
    """The folder of plugins, with this tool in it."""
    plugin_folder.add("matsciml-tool-generate", "from matsciml_tool_generate.plugin import *")
    return plugin_folder


@pytest.fixture
def toy_registry(plugin_folder: PluginFolder) -> Registry:
    """A registry with a model that generates rock salt, and this tool."""
    plugin_folder.add(
        "matsciml-model-toy",
        (HERE / "rock_salt_plugin.py").read_text(encoding="utf-8"),
        modules={"model": (HERE / "rock_salt_model.py").read_text(encoding="utf-8")},
    )
    return build_registry(path=plugin_folder.search)


@pytest.fixture
def write_run(toy_registry: Registry, tmp_path: Path) -> Callable[..., Path]:
    """A function that saves the toy model, and returns its folder."""

    def write(*, with_property: bool = True, generative: bool = True) -> Path:
        heads = [("rock-salt", STRUCTURE)] * generative + [("doubling", ENERGY)] * with_property
        tasks = [
            Task(
                dataset="none",
                head_name=name,
                head=toy_registry.get("task-head", name).load()((info,), 4, 4),
            )
            for name, info in heads
        ]
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        save_model(folder, "volume", toy_registry.get("encoder", "volume").load()(), tasks)
        return folder

    return write


@pytest.fixture
def make_model(write_run: Callable[..., Path], toy_registry: Registry) -> Callable[..., Any]:
    """A function that saves the toy model, and loads it again."""
    return lambda **what: load(write_run(**what), device="cpu", registry=toy_registry)
