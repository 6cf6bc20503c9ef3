"""GALA, geometric algebra attention over periodic neighbourhoods, for MatSciML."""

__version__ = "0.1.0"
