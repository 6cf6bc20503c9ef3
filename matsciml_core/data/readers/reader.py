"""The interface of file formats: a file → its records, one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matsciml_core.data.readers.frames import Record
from matsciml_core.data.readers.input_file import InputFile

if TYPE_CHECKING:
    from matsciml_core.interfaces.config import Config


@dataclass(frozen=True, slots=True)
class Deferred:
    """A record that takes long to read, which the core does in one of several processes."""

    name: str
    """What the record is called, should it turn out not to be readable."""
    work: Callable[[], Record]
    """Reads it: a ``functools.partial`` of a function of a module, which other processes import."""


class Reader(ABC):
    """Reads the files of one format.

    A record says everything that the file says of a structure, with the file's own keys: what is a
    label, and in which unit, is the user's to say. One that cannot be read is yielded as a
    ``Rejection`` with a reason in the same words for all that have the same fault, and the
    next one is read; a ``DataError`` is for a file of which nothing more can be read.

    Args:
        config: Settings of the format; None where it has none.
    """

    def __init__(self, config: Config | None = None) -> None:
        """Keep the settings."""
        self.config = config

    @abstractmethod
    def read(self, file: InputFile) -> Iterator[Record | Deferred]:
        """Yield the records of a file, in the order in which the file has them.

        Positions are Cartesian, lattice vectors are rows, both in Å; atoms and everything that is
        said of each stand in the order of the file. The quantities that the reader's spec declares
        are in the units that it declares, with ASE's sign of the stress.

        Args:
            file: The file; memory stays flat, unless the spec says that the format does not stream.

        Raises:
            DataError: Nothing (more) of the file can be read.
        """
