"""Active learning for MatSciML: which structures to compute next."""

__version__ = "0.1.0"
