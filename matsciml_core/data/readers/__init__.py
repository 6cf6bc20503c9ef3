"""From files to crystals: formats are plugins, extended XYZ and imported datasets are the core's.

Public names are imported on first use: what tells a format by content is imported while a reader is
chosen, and must not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "detection": ("find_reader", "get_reader", "get_writer", "readers_of"),
    "frames": ("ID_KEYS", "Frame", "Naming", "Record", "name_of", "to_crystals"),
    "import_request": ("ImportRequest", "parse_files"),
    "imported": ("ImportedDataset", "add_dataset", "remove_dataset"),
    "input_file": ("InputFile",),
    "reader": ("Deferred", "Reader"),
    "reading": ("read",),
    "writer": ("Written", "declarations", "export_dataset"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ID_KEYS",
    "Deferred",
    "Frame",
    "ImportRequest",
    "ImportedDataset",
    "InputFile",
    "Naming",
    "Reader",
    "Record",
    "Written",
    "add_dataset",
    "declarations",
    "export_dataset",
    "find_reader",
    "get_reader",
    "get_writer",
    "name_of",
    "parse_files",
    "read",
    "readers_of",
    "remove_dataset",
    "to_crystals",
]

if TYPE_CHECKING:
    from matsciml_core.data.readers.detection import (
        find_reader,
        get_reader,
        get_writer,
        readers_of,
    )
    from matsciml_core.data.readers.frames import (
        ID_KEYS,
        Frame,
        Naming,
        Record,
        name_of,
        to_crystals,
    )
    from matsciml_core.data.readers.import_request import ImportRequest, parse_files
    from matsciml_core.data.readers.imported import (
        ImportedDataset,
        add_dataset,
        remove_dataset,
    )
    from matsciml_core.data.readers.input_file import InputFile
    from matsciml_core.data.readers.reader import Deferred, Reader
    from matsciml_core.data.readers.reading import read
    from matsciml_core.data.readers.writer import Written, declarations, export_dataset


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'matsciml_core.data.readers' has no attribute '{name}'")
    return getattr(import_module(f"matsciml_core.data.readers.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return __all__
