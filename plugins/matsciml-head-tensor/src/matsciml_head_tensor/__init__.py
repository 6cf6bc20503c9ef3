"""Task head for vectors and matrices that turn with the crystal."""

__version__ = "0.1.0"
