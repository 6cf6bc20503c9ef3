"""MatSciML readers of tables with a column of structures: CSV, JSON and JSON lines."""

__version__ = "0.1.0"
