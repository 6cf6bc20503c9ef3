"""Databases of ASE in LMDB: rows of ASE's JSON, compressed by zlib, under decimal keys.

They are read here as they are, because ASE needs another package to open them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ase.db.row import AtomsRow
from ase.io.jsonio import decode

from matsciml_core.data.readers import InputFile, Reader, Record
from matsciml_core.data.readers.foreign_lmdb import read_lmdb
from matsciml_core.errors import DataError
from matsciml_reader_ase.database import frame_of_row

LARGEST_RECORD = 256 << 20
"""Bytes of one record, unpacked; a million atoms with forces take half of it."""


class LMDBReader(Reader):
    """Reads the rows of a database in LMDB, with their ``data`` and key-value pairs."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the rows of a database, by their ids.

        Args:
            file: The file.

        Raises:
            DataError: The file is cut off, or a row takes more room than any structure.
        """
        path = file.plain_path()
        # Keys that are no numbers hold what ASE keeps about the database.
        for key, record in read_lmdb(path):
            row: Any = AtomsRow(decode(_unpack(record, path).decode()))
            yield frame_of_row(row, f"{path.stem}-{int(key):06d}")


def _unpack(data: bytes, path: Path) -> bytes:
    """Unpack a row; a few bytes of a hostile file would fill the memory."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST_RECORD)
    if unpacker.unconsumed_tail:
        raise DataError(
            f"A record of '{path}' takes more than {LARGEST_RECORD >> 20} MiB when it is unpacked, "
            "which no structure does; the file is damaged, or made to fill the memory."
        )
    if not unpacker.eof:
        raise zlib.error("the record is incomplete")
    return content
