"""netCDF of ABINIT: histories of one or several images, single points, and what was not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import netcdf_file

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.abinit_samples import (
    CELL,
    ENERGY,
    FORCES,
    FRACTIONS,
    STRESS,
    write_history,
)

REGISTRY = build_registry(only=["matsciml-reader-ase"])
FILL = 9.969209968386869e36


def records(path: Path) -> list[Any]:
    return list(read(path, registry=REGISTRY))


def test_the_stress_keeps_its_sign_and_order(tmp_path: Path) -> None:
    path = tmp_path / "al_HIST.nc"
    write_history(path, 2)
    request = ImportRequest(paths=(path,), labels=("energy", "forces", "stress"))
    first, second = parse_files(request, REGISTRY).source(0)
    xx, yy, zz, yz, xz, xy = STRESS * HARTREE / BOHR**3
    np.testing.assert_allclose(first.labels["stress"], [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    np.testing.assert_allclose(second.labels["forces"], FORCES * HARTREE / BOHR)
    assert second.labels["energy"] == pytest.approx((ENERGY - 1e-3) * HARTREE)


def test_images_of_a_path_are_structures_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "neb_HIST.nc"
    write_history(path, 2, images=3)
    frames = records(path)
    assert len(frames) == 6
    for index, frame in enumerate(frames):
        assert frame.values["energy"] == pytest.approx((ENERGY - 1e-3 * index) * HARTREE)
        np.testing.assert_allclose(frame.cell, CELL * BOHR)
        np.testing.assert_allclose(frame.positions, FRACTIONS @ CELL * BOHR)


def test_a_single_point_in_either_netcdf(tmp_path: Path) -> None:
    """Newer builds of ABINIT write netCDF-4, which is HDF5."""
    variables = {
        "atom_species": np.array([1, 2], dtype=np.int32),
        "atomic_numbers": np.array([11.0, 17.0]),
        "etotal": np.array(ENERGY),
        "cartesian_forces": FORCES,
        "cartesian_stress_tensor": np.full(6, FILL),
        "reduced_atom_positions": FRACTIONS,
        "primitive_vectors": CELL,
    }
    with h5py.File(tmp_path / "new_GSR.nc", "w") as file:
        for name, values in variables.items():
            file[name] = values
    with netcdf_file(tmp_path / "old_GSR.nc", "w") as file:
        for size in (2, 3, 6):
            file.createDimension(f"d{size}", size)
        for name, values in variables.items():
            axes = tuple(f"d{size}" for size in values.shape)
            file.createVariable(name, values.dtype, axes)[...] = values
    for name in ("new", "old"):
        (frame,) = records(tmp_path / f"{name}_GSR.nc")
        assert list(frame.atomic_numbers) == [11, 17]
        np.testing.assert_allclose(frame.values["energy"], ENERGY * HARTREE)
        np.testing.assert_allclose(frame.values["forces"], FORCES * HARTREE / BOHR)
        assert "stress" not in frame.values  # of a run without forces, it is not written


def test_steps_that_were_not_written_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run_HIST.nc"
    write_history(path, 3)
    with netcdf_file(path, "a") as file:
        file.variables["xred"][2] = FILL
    first, second, torn = records(path)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert isinstance(torn, Rejection)


def test_damaged_files_and_mixtures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run_HIST.nc"
    write_history(path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no whole netCDF file"):
        records(path)
    path.write_bytes(whole)
    with netcdf_file(path, "a") as file:
        file.variables["znucl"][:] = [11.5, 17.0]
    with pytest.raises(DataError, match="mixtures of elements"):
        records(path)
    with netcdf_file(path, "w") as file:
        file.createDimension("time", 1)
    with pytest.raises(DataError, match="no list of atoms"):
        records(path)
