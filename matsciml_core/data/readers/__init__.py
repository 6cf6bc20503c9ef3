"""Importing: the files that people have become datasets like any other."""

from matsciml_core.data.readers.formats import READERS
from matsciml_core.data.readers.frames import Frame, Naming
from matsciml_core.data.readers.imported import (
    ImportedDataset,
    ImportSettings,
    add_dataset,
    remove_dataset,
    understand,
)

__all__ = [
    "READERS",
    "Frame",
    "ImportSettings",
    "ImportedDataset",
    "Naming",
    "add_dataset",
    "remove_dataset",
    "understand",
]
