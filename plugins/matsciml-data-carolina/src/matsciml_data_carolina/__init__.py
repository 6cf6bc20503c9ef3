"""The Carolina Materials Database as a MatSciML dataset."""

__version__ = "0.1.0"
