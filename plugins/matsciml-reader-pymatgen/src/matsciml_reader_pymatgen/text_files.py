"""Files of text: CIF and POSCAR."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from matsciml_core.data.readers import Deferred, InputFile, Reader
from matsciml_core.data.readers.cif import frame_from_cif, named_blocks
from matsciml_core.data.readers.structures import frame_from_text


class CIFReader(Reader):
    """Reads CIF, each data block with sites; it takes milliseconds, so other processes may help."""

    def read(self, file: InputFile) -> Iterator[Deferred]:
        """Yield the structures of a file.

        Args:
            file: The file.
        """
        for name, text in named_blocks(_text_of(file), name_of_file(file)):
            yield Deferred(name, partial(frame_from_cif, text, name, {}))


class POSCARReader(Reader):
    """Reads POSCAR, and atoms that are held as site properties."""

    def read(self, file: InputFile) -> Iterator[Deferred]:
        """Yield the structure of a file.

        Args:
            file: The file.
        """
        name = name_of_file(file)
        yield Deferred(name, partial(frame_from_text, _text_of(file), "poscar", name, {}))


def _text_of(file: InputFile) -> str:
    with file.open() as stream:
        # Names of authors are in any encoding, and nothing that matters here is.
        return stream.read().decode("utf-8", errors="replace")


def name_of_file(file: InputFile) -> str:
    """Return what the structure of a file is called: like the file, or like a POSCAR's folder.

    Args:
        file: The file.
    """
    stem, dot, suffix = file.name.rpartition(".")
    bare = stem if dot and suffix.lower() in ("cif", "vasp", "poscar") else file.name
    return file.path.absolute().parent.name if bare in ("POSCAR", "CONTCAR") else bare
