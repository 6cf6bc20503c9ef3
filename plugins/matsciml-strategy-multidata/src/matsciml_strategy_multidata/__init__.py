"""Several datasets, balanced or drawn in proportion."""

__version__ = "0.1.0"
