"""Registers the readers ``csv``, ``json``, ``jsonl`` and ``parquet``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl
from matsciml_reader_tables.formats import FORMATS


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer tables of structures."""
    yield from FORMATS
