"""Fixtures: the reference numbers, crystals, and a model that makes crystals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal, TargetInfo, build_registry
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.storage import save_model
from matsciml_core.model.trained import TrainedModel, load
from matsciml_core.testing.crystals import sodium_chloride
from matsciml_tool_generate.structures import ParsedStructure

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
    """Everything that a generator can come up with and that is no sound crystal."""
    cell, places = np.eye(3) * 4.0, [[0, 0, 0], [2, 2, 2]]
    cases: dict[str, tuple[Any, Any, Any]] = {
        "undefined cell": ([11, 17], places, cell * np.nan),
        "infinite position": ([11, 17], [[0, 0, 0], [np.inf, 0, 0]], cell),
        "flat cell": ([11, 17], places, np.ones((3, 3))),
        "element 0": ([0, 17], places, cell),
        "element 500": ([500, 17], places, cell),
        "element -3": ([-3, 17], places, cell),
        "half an element": ([np.nan, 17], places, cell),
        "no atoms": ([], np.empty((0, 3)), cell),
        "too few positions": ([11, 17], [[0, 0, 0]], cell),
        "no numbers": (["Na", "Cl"], places, cell),
        "overlapping": ([11, 17], [[1, 1, 1], [1, 1, 1]], cell),
        "needle": ([11], [[0, 0, 0]], np.diag([0.01, 1000.0, 0.02])),
        "sheet": ([11, 17], places, np.diag([1e-3, 1e5, 1e5])),
        "tiny": ([11, 17], places, np.eye(3) * 0.02),
        "huge": ([11, 17], places, np.eye(3) * 1e4),
        "oganesson": ([118, 116], places, cell),
    }
    return [ParsedStructure.from_arrays(name, *case) for name, case in cases.items()]


@pytest.fixture
def make_model(plugin_folder: Any, tmp_path: Path) -> Callable[..., TrainedModel]:
    """Give a function that saves the tests' model and loads it again."""

    def make(*, with_property: bool = True, with_maker: bool = True) -> TrainedModel:
        folder = tmp_path / "run"
        registry = install_maker(plugin_folder)
        write_model(folder, registry, with_property=with_property, with_maker=with_maker)
        return load(folder, device="cpu", registry=registry)

    return make


def install_maker(plugin_folder: Any) -> Any:
    """Install the plugin with the tests' model, and return the registry that sees it."""
    plugin_folder.add(
        "matsciml-model-maker",
        (HERE / "maker_plugin.py").read_text(encoding="utf-8"),
        modules={"maker": (HERE / "maker.py").read_text(encoding="utf-8")},
    )
    return build_registry(path=plugin_folder.search)


def write_model(
    folder: Path, registry: Any, *, with_property: bool = True, with_maker: bool = True
) -> None:
    """Write the tests' model to a folder."""
    encoder = registry.get("encoder", "mean").load()()
    wanted = [("maker", STRUCTURE)] * with_maker + [("property", ENERGY)] * with_property
    tasks = [
        Task(
            dataset="none",
            head_name=name,
            head=registry.get("task-head", name).load()((info,), 4, 4),
        )
        for name, info in wanted
    ]
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, "mean", encoder, tasks)
