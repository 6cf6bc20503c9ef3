"""Extended XYZ, the format that most programs of the field write: one reader and one writer."""

from matsciml_core.data.readers.extxyz.columns import SPECIES
from matsciml_core.data.readers.extxyz.scan import (
    Readable,
    XYZFault,
    XYZFrame,
    read_extended_xyz,
    scan_extended_xyz,
)
from matsciml_core.data.readers.extxyz.writing import write_frame, write_frames

__all__ = [
    "SPECIES",
    "Readable",
    "XYZFault",
    "XYZFrame",
    "read_extended_xyz",
    "scan_extended_xyz",
    "write_frame",
    "write_frames",
]
