"""Structures and trajectories as pymatgen writes them in JSON, read field by field.

pymatgen's own decoder imports the classes that a file names; nothing in a file from elsewhere may
decide what is imported.
"""

from __future__ import annotations

from collections.abc import Iterator

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import InputFile, Reader, Record
from matsciml_core.data.readers.structures import frame_from_structure
from matsciml_core.errors import DataError
from matsciml_core.guarded import parse_json
from matsciml_reader_pymatgen.trajectories import CLASS, frames_of


class StructureReader(Reader):
    """Reads one structure, a list of structures or a trajectory; the file is held in memory."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures of a file, with their properties.

        Args:
            file: The file.

        Raises:
            DataError: It is no JSON, or a trajectory whose arrays do not fit together.
        """
        with file.open_text() as stream:
            try:
                data = parse_json(stream.read(), largest=None)
            except ValueError as error:
                raise DataError(f"'{file.path}' is no valid JSON: {error}.") from error
        if isinstance(data, dict) and data.get("@class") == CLASS:
            yield from frames_of(data, file.stem)
            return
        for index, entry in enumerate(data if isinstance(data, list) else [data]):
            name = f"{file.stem}-{index:06d}"
            if isinstance(entry, dict):
                yield frame_from_structure(entry, name, {})
            else:
                yield Rejection(name, "The entry is no JSON object.")
