"""Leaks: structures that occur twice, within a dataset, between its subsets, across datasets."""
