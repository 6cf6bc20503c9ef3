"""Heads fitted at once on a frozen encoder."""

__version__ = "0.1.0"
