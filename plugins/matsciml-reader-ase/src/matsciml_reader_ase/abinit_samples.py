"""``_HIST.nc`` of ABINIT for tests, with the variables and dimensions that ABINIT 9 writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import netcdf_file

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample
from matsciml_reader_ase.abinit import BOHR, HARTREE

CELL = np.array([[8.0, 0.0, 1.0], [0.0, 8.0, 0.0], [0.0, 0.0, 9.0]])
FRACTIONS = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
FORCES = np.array([[0.01, -0.02, 0.03], [-0.01, 0.02, -0.03]])
STRESS = 1e-4 * np.arange(1.0, 7.0)
ENERGY = -47.5


def write_history(path: Path, count: int, *, images: int = 0) -> None:
    """Write a relaxation whose steps differ in energy.

    Args:
        path: The file.
        count: Steps.
        images: Of a reaction path; 0: the file has no axis of images.
    """
    shape, axes = ((count, images), ("time", "nimage")) if images else ((count,), ("time",))
    energies = ENERGY - 1e-3 * np.arange(np.prod(shape)).reshape(shape)
    variables = {
        "typat": (("natom",), np.array([1, 2], dtype=np.int32)),
        "znucl": (("npsp",), np.array([11.0, 17.0])),
        "amu": (("ntypat",), np.array([22.98977, 35.453])),
        "xred": ((*axes, "natom", "xyz"), np.broadcast_to(FRACTIONS, (*shape, 2, 3))),
        "fcart": ((*axes, "natom", "xyz"), np.broadcast_to(FORCES, (*shape, 2, 3))),
        "rprimd": ((*axes, "xyz", "xyz"), np.broadcast_to(CELL, (*shape, 3, 3))),
        "strten": ((*axes, "six"), np.broadcast_to(STRESS, (*shape, 6))),
        "etotal": (axes, energies),
    }
    with netcdf_file(path, "w") as file:
        sizes = {"natom": 2, "ntypat": 2, "npsp": 2, "xyz": 3, "six": 6}
        for name, size in (sizes | dict(zip(axes, shape, strict=True))).items():
            file.createDimension(name, size)
        for name, (dimensions, values) in variables.items():
            file.createVariable(name, values.dtype, dimensions)[:] = values


def netcdf_samples(folder: Path) -> list[Sample]:
    """Write a relaxation of two steps."""
    path = folder / "run_HIST.nc"
    write_history(path, 2)
    frames = [
        Frame(
            name=f"run_HIST-{index:06d}",
            atomic_numbers=[11, 17],
            positions=FRACTIONS @ CELL * BOHR,
            cell=CELL * BOHR,
            values={
                "energy": (ENERGY - 1e-3 * index) * HARTREE,
                "forces": FORCES * (HARTREE / BOHR),
                "stress": STRESS * (HARTREE / BOHR**3),
            },
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames)]
