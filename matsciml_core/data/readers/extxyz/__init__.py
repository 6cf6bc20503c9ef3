"""Extended XYZ, the format that most programs of the field write."""

from matsciml_core.data.readers.extxyz.columns import SPECIES
from matsciml_core.data.readers.extxyz.scan import Readable, XYZFrame, read_extended_xyz

__all__ = ["SPECIES", "Readable", "XYZFrame", "read_extended_xyz"]
