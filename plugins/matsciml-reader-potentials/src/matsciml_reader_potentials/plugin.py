"""Registers the readers of training data of potentials."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl
from matsciml_reader_potentials.formats import FORMATS


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer the formats."""
    yield from FORMATS
