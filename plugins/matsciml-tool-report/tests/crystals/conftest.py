"""Crystals with known space groups, runs that were tested on them, and predictions for them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from matsciml_core import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    rutile,
    sodium_chloride,
    triclinic,
)
from matsciml_core.training.run_folder import (
    CONFIG,
    METRICS,
    PREDICTIONS,
    SUMMARY,
)
from matsciml_tool_report.crystal_files import (
    CrystalTable,
    read_table,
)
from matsciml_util_pages.run_files import Predictions

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
FORMATION = TargetInfo(name="formation_energy", kind="scalar", unit="eV/atom")
CHARGE = TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
GROUPS = {"NaCl": 225, "Fe": 229, "Mg": 194, "TiO2": 136, "triclinic": 1}
"""True space groups of the crystals below."""


class Toy(Dataset):
    """Crystals with known space groups, each several times."""

    def __init__(self, copies: int = 1, *, stated: bool = False) -> None:
        """Make the crystals."""
        super().__init__()
        kinds = [sodium_chloride(), bcc_iron(), hcp_magnesium(), rutile(), triclinic()]
        self.crystals = [
            Crystal(
                id=f"{one.id}-{copy}",
                atomic_numbers=one.atomic_numbers,
                positions=one.positions,
                cell=one.cell,
                labels={"group": GROUPS.get(one.id, 1) - 1} if stated else {},
            )
            for copy in range(copies)
            for one in kinds
        ]
        self.stated = stated

    @property
    def targets(self) -> dict[str, TargetInfo]:
        return {one.name: one for one in ((ENERGY, FORCES, GROUP) if self.stated else (ENERGY,))}

    @property
    def provenance(self) -> Provenance:
        return Provenance(source="made up")

    def __len__(self) -> int:
        return len(self.crystals)

    def __getitem__(self, index: int) -> Crystal:
        return self.crystals[index]


def write_run(folder: Path, rows: list[list[Any]], infos: Mapping[str, TargetInfo]) -> Path:
    """Write a run folder with predictions and no description of the crystals.

    Args:
        folder: Made where it is not there.
        rows: Dataset, target, id, index, label, prediction and probability.
        infos: Labels by ``dataset/target``.
    """
    folder.mkdir(exist_ok=True)
    labels: dict[str, dict[str, Any]] = {}
    for key, info in infos.items():
        labels.setdefault(key.partition("/")[0], {})[info.name] = info.as_data()
    metric = {key: "accuracy" if info.is_class else "mae" for key, info in infos.items()}
    summary = {
        "status": "finished",
        "datasets": {name: {"labels": found} for name, found in labels.items()},
        "metrics": {"test": {key: {metric[key]: 0.5, "unit": infos[key].unit} for key in infos}},
    }
    (folder / SUMMARY).write_text(json.dumps(summary), "utf-8")
    config = {"datasets": [{"name": name} for name in labels], "encoder": {"name": "net"}}
    (folder / CONFIG).write_text(yaml.safe_dump(config), "utf-8")
    (folder / METRICS).write_text("epoch,seconds\n0,1\n", "utf-8")
    with (folder / PREDICTIONS).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        header = ["dataset", "target", "id", "index", "label", "prediction", "probability"]
        writer.writerows([header, *rows])
    return folder


def energy_rows(dataset: Dataset, name: str = "toy") -> list[list[Any]]:
    """Return predictions that miss by 0.1 eV times the number of atoms, too high."""
    return [
        [name, "energy", one.id, 0, -float(one.num_atoms), -0.9 * one.num_atoms, ""]
        for one in (dataset[place] for place in range(len(dataset)))
    ]


@pytest.fixture
def toy_of() -> type[Toy]:
    """Give the class of a dataset of crystals with known space groups."""
    return Toy


@pytest.fixture(name="write_run")
def give_write_run() -> Callable[..., Path]:
    """Give a function that writes a run folder without a description of the crystals."""
    return write_run


@pytest.fixture(name="energy_rows")
def give_energy_rows() -> Callable[..., list[list[Any]]]:
    """Give a function that returns predictions of energies, too high by a tenth."""
    return energy_rows


@pytest.fixture
def space_groups() -> dict[str, int]:
    """True space groups of the crystals of the dataset, by name."""
    return GROUPS


@pytest.fixture
def toy() -> Toy:
    """Five crystals, each three times."""
    return Toy(copies=3)


@pytest.fixture
def energies(tmp_path: Path, toy: Toy) -> Path:
    """A run on energies whose crystals are not described yet."""
    return write_run(tmp_path / "run", energy_rows(toy), {"toy/energy": ENERGY})


@pytest.fixture
def table_of() -> Callable[..., CrystalTable]:
    """Give a function that returns a table of crystals called c0, c1, …"""

    def make(species: list[str], groups: list[int] | None = None) -> CrystalTable:
        known = groups or [0] * len(species)
        rows = [[f"c{k}", text, str(known[k] or ""), "stated"] for k, text in enumerate(species)]
        return read_table(rows)

    return make


@pytest.fixture
def predictions() -> Callable[..., Predictions]:
    """Give a function that returns predictions with given errors; labels are 1."""

    def make(
        owners: list[int], errors: list[float], indices: list[int] | None = None, **more: Any
    ) -> Predictions:
        labels = np.ones(len(errors))
        return Predictions(
            tuple(f"c{k}" for k in owners),
            labels,
            labels + np.array(errors),
            0,
            None if indices is None else np.array(indices),
            **more,
        )

    return make
