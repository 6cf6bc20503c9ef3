"""One task, its plain gradient."""

__version__ = "0.1.0"
