"""Environments for plugins of MatSciML whose requirements contradict each other."""

__version__ = "0.1.0"
