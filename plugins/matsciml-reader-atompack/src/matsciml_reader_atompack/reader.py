"""Atompack's ``.atp``, read by its own library, atompack-db 0.4.

Energy, forces and stress are what ``atompack.from_ase`` takes from ASE's calculators: eV, eV/Å and
eV/Å³, positive under tension. Published sets hold positions and forces in float32. A file that
breaks off behind its header opens without a complaint, and has no record (0.4.1); it is refused
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import atompack
import numpy as np

from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of
from matsciml_core.errors import DataError

SITE_PREFIX = "matsciml_site_"
"""Of properties per atom that are site properties, in files that were exported."""
_BATCH = 256
"""Records that are asked for at a time."""
_RESULTS = ("energy", "forces", "stress", "charges", "velocities")


class AtompackReader(Reader):
    """Reads the records of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the records, in the order of the file.

        Args:
            file: The file.

        Raises:
            DataError: It is damaged, or has no record.
        """
        path = file.plain_path()
        try:
            database = atompack.Database.open(str(path))
        except ValueError as error:
            raise DataError(f"'{path}' is no whole file of Atompack ({error}).") from error
        count = len(database)
        if not count:
            raise DataError(f"'{path}' has no record; it is empty, or breaks off before its end.")
        for start in range(0, count, _BATCH):
            indices = list(range(start, min(start + _BATCH, count)))
            molecules = database.get_molecules(indices)
            for index, molecule in zip(indices, molecules, strict=True):
                yield _frame(molecule, f"{file.stem}-{index:06d}")


def _frame(molecule: Any, otherwise: str) -> Frame:
    values = {key: molecule.get_property(key) for key in molecule.property_keys()}
    marks = {key: values.pop(key) for key in list(values) if key.startswith(SITE_PREFIX)}
    results = {key: getattr(molecule, key) for key in _RESULTS}
    values |= {key: result for key, result in results.items() if result is not None}
    cell = np.zeros((3, 3)) if molecule.cell is None else np.asarray(molecule.cell)
    # As in ASE, what has a cell and says nothing of its directions is periodic in all.
    pbc = cell.any(axis=1) if molecule.pbc is None else molecule.pbc
    return Frame(
        name=name_of(values, otherwise),
        atomic_numbers=molecule.atomic_numbers,
        positions=np.asarray(molecule.positions, dtype=np.float64),
        cell=cell,
        pbc=pbc,
        values=values,
        site_properties={key.removeprefix(SITE_PREFIX): rows for key, rows in marks.items()},
    )
