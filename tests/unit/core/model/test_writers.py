"""Files of predictions: labels of any shape, readable by others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from matsciml_core import Crystal, Grid, Prediction, TargetInfo
from matsciml_core.model.inputs import InputStructure
from matsciml_core.model.writers import CsvPredictions, XyzPredictions

TARGETS = {
    info.name: info
    for info in (
        TargetInfo(name="total", kind="energy", unit="eV"),
        TargetInfo(name="pull", kind="forces", unit="eV/Å"),
        TargetInfo(name="polarity", kind="tensor", rank=1, unit="e·Å"),
        TargetInfo(name="dielectric", kind="tensor", rank=2, unit="dimensionless"),
        TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True),
        TargetInfo(
            name="dos", kind="grid", unit="1/eV", grid=Grid(points=4, start=0, stop=3, unit="eV")
        ),
    )
}
VALUES = {
    "total": -3.5,
    "pull": np.arange(9.0).reshape(3, 3),
    "polarity": np.array([1.0, 2.0, 3.0]),
    "dielectric": np.arange(9.0).reshape(3, 3) + 1,
    "born": np.arange(27.0).reshape(3, 3, 3),
    "dos": np.array([0.0, 1.0, 2.0, 0.5]),
}
WATER = Crystal(
    id="water",
    atomic_numbers=[8, 1, 1],
    positions=[[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]],
    cell=8 * np.eye(3),
)
"""Three atoms, so that a matrix of the crystal looks like a row for each of them."""


def written(kind: type[CsvPredictions] | type[XyzPredictions]) -> io.StringIO:
    """Write one prediction, and return the file from its start."""
    stream = io.StringIO()
    units = {name: info.unit for name, info in TARGETS.items()}
    prediction = Prediction(id="water", values=VALUES, units=units)
    kind(stream, TARGETS).write(
        InputStructure(path=Path("water.cif"), id="water"), WATER, prediction
    )
    stream.seek(0)
    return stream


def test_csv_holds_values_with_several_numbers_as_json() -> None:
    (row,) = csv.DictReader(written(CsvPredictions))
    assert float(row["total (eV)"]) == -3.5
    for name in ("pull", "polarity", "dielectric", "born", "dos"):
        unit = TARGETS[name].unit
        assert json.loads(row[f"{name} ({unit})"]) == VALUES[name].tolist()


def test_extended_xyz_tells_labels_of_atoms_from_those_of_the_crystal() -> None:
    ase_io = pytest.importorskip("ase.io")
    atoms = ase_io.read(written(XyzPredictions), format="extxyz")
    assert atoms.get_potential_energy() == -3.5
    np.testing.assert_array_equal(atoms.get_forces(), VALUES["pull"])
    np.testing.assert_array_equal(atoms.info["dielectric"], VALUES["dielectric"])
    np.testing.assert_array_equal(atoms.info["polarity"], VALUES["polarity"])
    np.testing.assert_array_equal(atoms.info["dos"], VALUES["dos"])
    np.testing.assert_array_equal(atoms.arrays["born"].reshape(3, 3, 3), VALUES["born"])
