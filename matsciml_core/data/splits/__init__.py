"""Splits of a dataset, what crystals have in common, and structures that leak between subsets."""
