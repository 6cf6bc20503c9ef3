"""MACE for MatSciML: an encoder, and models out of files of weights."""

__version__ = "0.1.0"
