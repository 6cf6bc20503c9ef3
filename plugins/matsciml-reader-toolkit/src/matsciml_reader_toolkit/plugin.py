"""Registers the reader ``toolkit-lmdb``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer ``toolkit-lmdb``."""
    yield ReaderSpec(
        name="toolkit-lmdb",
        summary="LMDB files with pickled records: the Open MatSciML Toolkit's sets, and OC20's.",
        class_path="matsciml_reader_toolkit.reader:ToolkitReader",
        suffixes=(".lmdb",),
        folder_files=("*.lmdb",),
        samples="matsciml_reader_toolkit.samples:samples",
    )
