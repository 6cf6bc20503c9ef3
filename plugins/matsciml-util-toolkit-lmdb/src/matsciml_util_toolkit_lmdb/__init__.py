"""LMDB files of the Open MatSciML Toolkit, read without running anything in them."""

__version__ = "0.1.0"
