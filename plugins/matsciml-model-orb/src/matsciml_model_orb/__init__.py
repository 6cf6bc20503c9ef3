"""Orb v3 for MatSciML: an encoder, and models out of files of conservative weights."""

__version__ = "0.1.0"
