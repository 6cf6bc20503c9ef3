"""CSV with a column of structures, as CDVAE's data sets have it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import Any

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Deferred, InputFile, Reader, Record, name_of
from matsciml_core.data.readers.tables import TORN, TableRows, check_header, delimiter_of
from matsciml_core.errors import DataError
from matsciml_reader_tables.entries import STRUCTURES, record_from_text


class CSVReader(Reader):
    """Reads a table row by row."""

    def read(self, file: InputFile) -> Iterator[Record | Deferred]:
        """Yield a record per row.

        Args:
            file: The file.

        Raises:
            DataError: There is no column with structures.
            ConfigError: Two columns have one name.
        """
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a CIF is longer than the default allows
        # Opened twice, because a compressed stream does not go back to its beginning cheaply.
        with file.open_text() as stream:
            delimiter = delimiter_of(stream.readline())
        with file.open_text() as stream:
            rows = TableRows(stream, delimiter)
            column = next((name for name in STRUCTURES if name in rows.names), None)
            if column is None:
                raise DataError(
                    f"'{file.path}' has no column with structures; name one of its columns cif, "
                    f"poscar or structure. Columns: {', '.join(rows.names)}."
                )
            check_header(rows.names, file.path)
            for index, (row, torn) in enumerate(rows):
                more: Any = row.pop(None, None)
                text = row.pop(column) or ""
                name = name_of(row, f"{file.stem}-{index:06d}")
                if torn:
                    yield Rejection(name, TORN)
                    continue
                if more:  # a number with a comma, for example, that is not in quotes
                    yield Rejection(name, "The row has more entries than the header.")
                    continue
                yield record_from_text(text, column, name, dict(row))
