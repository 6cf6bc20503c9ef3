"""Bulk crystals of NOMAD as a MatSciML dataset."""

__version__ = "0.1.0"
