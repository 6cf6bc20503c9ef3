"""Importing: the files that people have become datasets like any other."""

from matsciml_core.data.importing.dataset import (
    ImportedDataset,
    ImportSettings,
    add_dataset,
    remove_dataset,
    understand,
)
from matsciml_core.data.importing.frames import Frame, Naming
from matsciml_core.data.importing.readers import READERS

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
