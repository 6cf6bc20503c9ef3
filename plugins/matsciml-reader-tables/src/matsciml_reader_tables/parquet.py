"""Parquet with OPTIMADE's columns, as LeMat, Alexandria and OC22 are published, and ColabFit's.

Their ``species`` is text in JSON, ``stress_tensor`` is in kbar with VASP's sign (the sets do not
state it; they are made of VASP's outputs), and ``functional`` says what energies may be compared,
which ColabFit calls ``method``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import InputFile, Reader, Record, name_of
from matsciml_core.data.readers.structures import frame_from_optimade
from matsciml_core.errors import DataError
from matsciml_reader_tables import colabfit
from matsciml_reader_tables.config import ParquetConfig

_ROWS = 128
"""Rows that are decoded at a time; one has some kilobytes."""
_BUFFER = 1 << 16
"""Bytes of a column that are read at a time."""
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
        self._is_colabfit = False

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield a record per row.

        Args:
            file: The file.

        Raises:
            DataError: Columns are missing, or results of several functionals are mixed.
        """
        # Not mapped into memory, where pages of a file of many GB would stay.
        with _open(file.plain_path()) as table:
            names = set(table.schema_arrow.names)
            missing = [name for name in _NEEDED if name not in names]
            self._is_colabfit = names.issuperset(colabfit.COLUMNS)
            if missing and not self._is_colabfit:
                raise DataError(
                    f"'{file.path}' has no column '{missing[0]}'; tables with the columns of "
                    f"OPTIMADE or ColabFit are read. Columns: {', '.join(sorted(names))}."
                )
            marked = [
                name.removeprefix(SITE_PREFIX) for name in names if name.startswith(SITE_PREFIX)
            ]
            index = 0
            for batch in _batches(table):
                columns = [_decode(column) for column in batch.columns]
                for entries in zip(*columns, strict=True):
                    row = dict(zip(batch.schema.names, entries, strict=True))
                    yield self._record(row, f"{file.stem}-{index:06d}", file, marked)
                    index += 1

    def _record(
        self, row: dict[str, Any], otherwise: str, file: InputFile, marked: Sequence[str]
    ) -> Record:
        functional = row.get(colabfit.METHOD if self._is_colabfit else "functional")
        naming = colabfit.name_of_row if self._is_colabfit else name_of
        name = naming(row, otherwise)
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
        if self._is_colabfit:
            return colabfit.frame_from_colabfit(row, name)
        marks = {key: rows for key in marked if (rows := row.pop(SITE_PREFIX + key)) is not None}
        return frame_from_optimade(row, name, row, site_properties=marks, units=UNITS)


def _open(path: Path) -> Any:
    """Open a file of which Arrow keeps as little as can be.

    The allocator that Arrow chooses by itself, mimalloc, keeps 13 MiB more of a million rows than
    jemalloc, which not all of its builds have.
    """
    usual = pyarrow.default_memory_pool()
    with suppress(NotImplementedError):
        pyarrow.set_memory_pool(pyarrow.jemalloc_memory_pool())
    try:
        return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER)
    finally:
        pyarrow.set_memory_pool(usual)


def _batches(table: Any) -> Iterator[Any]:
    """Yield batches of rows, of one row group after the other: Arrow keeps what it has read."""
    for group in range(table.num_row_groups):
        yield from table.iter_batches(_ROWS, row_groups=[group], use_threads=False)


def _decode(column: Any) -> list[Any]:
    """Return the values of a column; rows of three numbers, which most of a table is, as arrays."""
    kinds = pyarrow.types
    nested = kinds.is_list(column.type) and kinds.is_list(column.type.value_type)
    if nested and kinds.is_floating(column.type.value_type.value_type) and not column.null_count:
        # Arrow's own flatten and to_numpy import its functions and pandas, which take 40 MiB.
        bounds = np.from_dlpack(column.offsets)
        vectors = column.values[int(bounds[0]) : int(bounds[-1])]
        ends = np.from_dlpack(vectors.offsets)
        numbers = vectors.values[int(ends[0]) : int(ends[-1])]
        whole = not vectors.null_count and not numbers.null_count
        if whole and (np.diff(ends) == 3).all():
            rows = np.from_dlpack(numbers).reshape(-1, 3)
            return np.split(rows, bounds[1:-1] - bounds[0])
    values: list[Any] = column.to_pylist()
    return values
