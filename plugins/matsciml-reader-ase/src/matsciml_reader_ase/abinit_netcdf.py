"""``_HIST.nc`` and ``_GSR.nc`` of ABINIT: steps of a relaxation or of dynamics, and a single point.

All is in atomic units, with the sign of a stress that ASE has. ``etotal`` is the free energy where
electrons are smeared, which forces belong to. Several images of one run, as for reaction paths and
path integrals, have an axis of their own. What was not written has netCDF's fill value, 9.97e36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.hdf5 import dataset, open_hdf5

UNITS = {"energy": "eV", "forces": "eV/A", "stress": "eV/A^3"}
_UNWRITTEN = 1e30
_AXES = {"energy": 0, "forces": 2, "stress": 1, "fractions": 2, "cell": 2}
"""Axes of each quantity of one structure."""
_HISTORY = {
    "energy": "etotal",
    "forces": "fcart",
    "stress": "strten",
    "fractions": "xred",
    "cell": "rprimd",
}
_SINGLE_POINT = {
    "energy": "etotal",
    "forces": "cartesian_forces",
    "stress": "cartesian_stress_tensor",
    "fractions": "reduced_atom_positions",
    "cell": "primitive_vectors",
}
Numbers = NDArray[np.float64]
Variables = Callable[[str], Numbers | None]


class AbinitNetCDFReader(Reader):
    """Reads the structures of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures, image by image within a step; one that is torn as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: It is no whole file of this kind, or mixes elements on a site.
        """
        path = file.plain_path()
        with _opened(path) as variable:
            names = _HISTORY if variable("xred") is not None else _SINGLE_POINT
            columns = {key: variable(name) for key, name in names.items()}
            numbers = _atomic_numbers(variable, path)
        stacked = {
            key: column.reshape(-1, *column.shape[column.ndim - _AXES[key] :])
            for key, column in columns.items()
            if column is not None
        }
        if not {"energy", "fractions", "cell"} <= stacked.keys():
            raise DataError(
                f"'{path}' has no structures with energies; name a _HIST.nc or _GSR.nc of ABINIT."
            )
        for index in range(len(stacked["energy"])):
            name = f"{file.stem}-{index:06d}"
            yield _record(name, numbers, {key: rows[index] for key, rows in stacked.items()})


@contextmanager
def _opened(path: Path) -> Iterator[Variables]:
    """Open a file of either kind of netCDF, for what returns a variable by its name."""
    with path.open("rb") as stream:
        begin = stream.read(4)
    if begin[1:] == b"HDF":
        with open_hdf5(path) as file:

            def variable(name: str) -> Numbers | None:
                data = dataset(file, name)
                return None if data is None else np.array(data[()], dtype=np.float64)

            yield variable
        return
    try:
        opened = netcdf_file(path, mmap=False)
    except Exception as error:  # of a file that ends anywhere
        raise DataError(
            f"'{path}' is no whole netCDF file ({error}); was the program that wrote it killed, or "
            "the download cut off?"
        ) from error
    with opened:
        yield (
            lambda name: (
                np.array(opened.variables[name].data, dtype=np.float64)
                if name in opened.variables
                else None
            )
        )


def _atomic_numbers(variable: Variables, path: Path) -> NDArray[np.int64]:
    """Return the atomic numbers.

    Raises:
        DataError: A type is no element, or a mixture of several.
    """
    types = next((v for v in map(variable, ("typat", "atom_species")) if v is not None), None)
    charges = next((v for v in map(variable, ("znucl", "atomic_numbers")) if v is not None), None)
    if types is None or charges is None:
        raise DataError(f"'{path}' has no list of atoms; it is no _HIST.nc or _GSR.nc of ABINIT.")
    masses = variable("amu")
    if (masses is not None and len(masses) != len(charges)) or np.any(charges % 1):
        raise DataError(f"'{path}' has atoms that are mixtures of elements.")
    return charges[types.astype(np.int64) - 1].astype(np.int64)


def _record(name: str, numbers: NDArray[np.int64], step: dict[str, Any]) -> Record:
    written = {
        key: value for key, value in step.items() if np.abs(value).max(initial=0) < _UNWRITTEN
    }
    if not {"energy", "fractions", "cell"} <= written.keys():
        return Rejection(name, "The step was not written to its end.")
    cell = written["cell"] * BOHR
    values: dict[str, Any] = {"energy": float(written["energy"]) * HARTREE}
    if "forces" in written:
        values["forces"] = written["forces"] * (HARTREE / BOHR)
    if "stress" in written:
        values["stress"] = written["stress"] * (HARTREE / BOHR**3)
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=written["fractions"] @ cell,
        cell=cell,
        values=values,
        units=UNITS,
    )
