"""Task heads for properties of crystals."""

__version__ = "0.1.0"
