"""Registers the readers of ASE's own files, of VASP's outputs, and of those of other codes."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl
from matsciml_reader_ase.formats import CODES, FORMATS, OTHERS, VASP


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer the formats."""
    yield from (*FORMATS, *VASP, *CODES, *OTHERS)
