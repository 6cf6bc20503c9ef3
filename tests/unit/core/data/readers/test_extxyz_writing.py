"""What is written as extended XYZ is read by this package, and by ASE, as it was."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matsciml_core.data.readers import Frame, read
from matsciml_core.data.readers.extxyz import (
    XYZFrame,
    read_extended_xyz,
    scan,
    write_frame,
    write_frames,
)
from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.crystals import all_crystals, rutile, sodium_chloride

REGISTRY = build_registry(only=[])


def written(crystal: Crystal, **more: Any) -> str:
    stream = io.StringIO()
    write_frame(stream, crystal, **more)
    return stream.getvalue()


def test_crystals_come_back(tmp_path: Path) -> None:
    path = tmp_path / "all.extxyz"
    write_frames(path, all_crystals())
    for frame, crystal in zip(read(path, registry=REGISTRY), all_crystals(), strict=True):
        assert isinstance(frame, Frame)
        assert frame.name == crystal.id
        np.testing.assert_array_equal(frame.atomic_numbers, crystal.atomic_numbers)
        np.testing.assert_allclose(frame.positions, crystal.positions, atol=1e-9)
        np.testing.assert_array_equal(frame.cell, crystal.cell)
        np.testing.assert_array_equal(frame.pbc, crystal.pbc)
    assert not path.with_name("all.extxyz.part").exists()


def test_lines_are_read_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise AssertionError("the lines were split at blanks")

    monkeypatch.setattr(scan, "split_lines", fail)
    text = written(rutile(), columns={"forces": np.ones((6, 3)) / 3})
    (frame,) = read_extended_xyz(io.BytesIO(text.encode()))
    assert frame.columns["forces"].tolist() == [[0.3333333333] * 3] * 6


VALUES = {
    "seed": 3,
    "note": "two words",
    "quoted": 'a "b" \\c, [d]',
    "energy": -1.25,
    "tiny": 1.5e-300,
    "converged": True,
    "stress": np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]),
    "dipole": np.array([0.1, 0.2, 0.3]),
    "flags": np.array([True, False]),
    "matrix": np.arange(4).reshape(2, 2),
}
COLUMNS = {
    "forces": np.arange(6.0).reshape(2, 3) / 7,
    "spin": np.array([1, -1]),
    "held": np.array([True, False]),
    "site": np.array(["a1", "b2"]),
}


def test_values_and_columns_come_back(tmp_path: Path) -> None:
    path = tmp_path / "one.xyz"
    path.write_text(written(sodium_chloride(), values=VALUES, columns=COLUMNS))
    (frame,) = read(path, registry=REGISTRY)
    assert isinstance(frame, Frame)
    assert frame.values["stress"].tolist() == [1, 4, 6, 5, 3, 2]
    for key, value in VALUES.items():
        if key != "stress":
            assert np.array_equal(np.asarray(frame.values[key]), np.asarray(value)), key
    for key, rows in COLUMNS.items():
        same = np.allclose(frame.values[key], rows) if key == "forces" else None
        assert np.array_equal(frame.values[key], rows) if same is None else same, key


def test_ase_reads_the_same() -> None:
    ase_io = pytest.importorskip("ase.io", reason="needs ASE: pip install ase")
    text = written(sodium_chloride(), values=VALUES, columns=COLUMNS)
    atoms = ase_io.read(io.StringIO(text), format="extxyz")
    np.testing.assert_allclose(atoms.positions, sodium_chloride().positions, atol=1e-9)
    assert atoms.calc.results["energy"] == -1.25
    assert atoms.calc.results["stress"].tolist() == [1, 4, 6, 5, 3, 2]
    np.testing.assert_allclose(atoms.calc.results["forces"], COLUMNS["forces"], atol=1e-9)
    assert atoms.info["quoted"] == VALUES["quoted"]
    assert atoms.info["matrix"].tolist() == [[0, 1], [2, 3]]
    assert atoms.arrays["site"].tolist() == ["a1", "b2"]
    assert atoms.info["converged"] is True


@settings(deadline=None)
@given(st.text("abZ 1.\"'\\\\,[]{}=é", min_size=1, max_size=12))
def test_any_id_comes_back(name: str) -> None:
    crystal = Crystal(id=name, atomic_numbers=[1], positions=np.zeros((1, 3)), cell=np.eye(3))
    (frame,) = read_extended_xyz(io.BytesIO(written(crystal).encode()))
    assert frame.info["id"] == name


def test_empty_text_is_left_out() -> None:
    # The format cannot express it: readers would take the next key for the value.
    assert "note" not in written(sodium_chloride(), values={"note": ""})


def test_a_molecule_has_no_cell() -> None:
    molecule = Crystal(
        id="H",
        atomic_numbers=[1],
        positions=np.zeros((1, 3)),
        cell=np.zeros((3, 3)),
        pbc=[False] * 3,
    )
    assert "Lattice" not in written(molecule)
    assert written(molecule).splitlines()[1].endswith('pbc="F F F" id=H')


def test_heavy_elements_and_symbols() -> None:
    heavy = Crystal(id="x", atomic_numbers=[118], positions=np.zeros((1, 3)), cell=np.eye(3) * 5)
    assert written(heavy).splitlines()[2].split()[0] == "Og"


def test_a_column_has_a_row_for_each_atom() -> None:
    with pytest.raises(ShapeError, match="'forces' has the shape"):
        written(sodium_chloride(), columns={"forces": np.zeros((3, 3))})


def test_frames_are_whole() -> None:
    frames = list(read_extended_xyz(io.BytesIO((written(rutile()) * 3).encode())))
    assert [type(frame) for frame in frames] == [XYZFrame] * 3
