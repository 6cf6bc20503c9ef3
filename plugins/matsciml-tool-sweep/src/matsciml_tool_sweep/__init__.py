"""Searches for settings: many short runs, of which the next learns from those before."""

__version__ = "0.1.0"
