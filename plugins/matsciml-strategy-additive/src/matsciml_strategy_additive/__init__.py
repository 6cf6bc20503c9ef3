"""The sum of the tasks' losses."""

__version__ = "0.1.0"
