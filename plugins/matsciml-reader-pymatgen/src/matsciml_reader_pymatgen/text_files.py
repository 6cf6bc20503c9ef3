"""Files of one structure that pymatgen parses as text: CIF and POSCAR."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from matsciml_core.data.readers import Deferred, InputFile, Reader
from matsciml_core.data.readers.structures import frame_from_text


class TextReader(Reader):
    """Reads files of one structure; parsing takes milliseconds, so it may go to other processes."""

    form: ClassVar[str]
    """What pymatgen calls the format."""

    def read(self, file: InputFile) -> Iterator[Deferred]:
        """Yield the structure of a file.

        Args:
            file: The file.
        """
        with file.open() as stream:
            # Names of authors are in any encoding, and nothing that matters here is.
            text = stream.read().decode("utf-8", errors="replace")
        name = name_of_file(file)
        yield Deferred(name, partial(frame_from_text, text, self.form, name, {}))


class CIFReader(TextReader):
    """Reads CIF."""

    form = "cif"


class POSCARReader(TextReader):
    """Reads POSCAR."""

    form = "poscar"


def name_of_file(file: InputFile) -> str:
    """Return what the structure of a file is called: like the file, or like a POSCAR's folder.

    Args:
        file: The file.
    """
    stem, dot, suffix = file.name.rpartition(".")
    bare = stem if dot and suffix.lower() in ("cif", "vasp", "poscar") else file.name
    return file.path.absolute().parent.name if bare in ("POSCAR", "CONTCAR") else bare
