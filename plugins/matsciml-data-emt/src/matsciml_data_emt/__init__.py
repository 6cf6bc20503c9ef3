"""A toy dataset with forces, made on the spot."""

__version__ = "0.1.0"
