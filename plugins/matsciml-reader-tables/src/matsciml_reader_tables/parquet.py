"""Parquet with OPTIMADE's columns, as LeMat-Bulk, LeMat-Traj, Alexandria and OC22 are published.

Their ``species`` is text in JSON, ``stress_tensor`` is in kbar with VASP's sign (the sets do not
state it; they are made of VASP's outputs), and ``functional`` says what energies may be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import InputFile, Reader, Record, name_of
from matsciml_core.data.readers.structures import frame_from_optimade
from matsciml_core.errors import DataError
from matsciml_reader_tables.config import ParquetConfig

_ROWS = 1024
"""Rows that are decoded at a time; one has some kilobytes."""
SITE_PREFIX = "_matsciml_site_"
"""Of columns with site properties, in tables that were exported; OPTIMADE leaves such names to
each database."""
_NEEDED = ("lattice_vectors", "cartesian_site_positions", "species_at_sites")
UNITS = {
    "energy": "eV",
    "energy_corrected": "eV",
    "forces": "eV/A",
    "stress_tensor": "kbar:vasp",
}


class ParquetReader(Reader):
    """Reads the rows of a table, a batch at a time."""

    def __init__(self, config: Any = None) -> None:
        """Keep the settings."""
        super().__init__(config)
        self._asked = config.functional if isinstance(config, ParquetConfig) else None
        self._functional: str | None = None

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield a record per row.

        Args:
            file: The file.

        Raises:
            DataError: Columns are missing, or results of several functionals are mixed.
        """
        with pyarrow.parquet.ParquetFile(file.plain_path(), memory_map=True) as table:
            names = set(table.schema_arrow.names)
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise DataError(
                    f"'{file.path}' has no column '{missing[0]}'; tables with the columns of "
                    f"OPTIMADE are read. Columns: {', '.join(sorted(names))}."
                )
            marked = [
                name.removeprefix(SITE_PREFIX) for name in names if name.startswith(SITE_PREFIX)
            ]
            index = 0
            for batch in table.iter_batches(batch_size=_ROWS, use_threads=False):
                columns = [_decode(column) for column in batch.columns]
                for entries in zip(*columns, strict=True):
                    row = dict(zip(batch.schema.names, entries, strict=True))
                    yield self._record(row, f"{file.stem}-{index:06d}", file, marked)
                    index += 1

    def _record(
        self, row: dict[str, Any], otherwise: str, file: InputFile, marked: Sequence[str]
    ) -> Record:
        functional = row.get("functional")
        name = name_of(row, otherwise)
        if self._asked is not None:
            if functional != self._asked:
                return Rejection(name, f"It was not calculated with {self._asked}.")
        elif functional is not None:
            self._functional = self._functional or functional
            if functional != self._functional:
                raise DataError(
                    f"'{file.path}' mixes results of {self._functional} and {functional}, which "
                    "cannot be compared; name the one to be read, for example with --set "
                    f"functional={self._functional}."
                )
        marks = {key: rows for key in marked if (rows := row.pop(SITE_PREFIX + key)) is not None}
        return frame_from_optimade(row, name, row, site_properties=marks, units=UNITS)


def _decode(column: Any) -> list[Any]:
    """Return the values of a column; rows of three numbers, which most of a table is, as arrays."""
    kinds = pyarrow.types
    nested = kinds.is_list(column.type) and kinds.is_list(column.type.value_type)
    if nested and kinds.is_floating(column.type.value_type.value_type) and not column.null_count:
        vectors = column.flatten()
        numbers = vectors.flatten()
        whole = not vectors.null_count and not numbers.null_count
        widths = np.diff(vectors.offsets.to_numpy())
        if whole and (widths == 3).all():
            rows = numbers.to_numpy(zero_copy_only=False).reshape(-1, 3)
            bounds = column.offsets.to_numpy() - column.offsets[0].as_py()
            return np.split(rows, bounds[1:-1])
    values: list[Any] = column.to_pylist()
    return values
