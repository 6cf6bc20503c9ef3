"""Splits of a dataset, and what crystals have in common."""
