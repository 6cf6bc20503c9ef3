"""Finds a learning rate by a short run whose rate rises from step to step."""

__version__ = "0.1.0"
