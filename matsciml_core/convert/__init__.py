"""Crystals and batches as objects of other packages, and back; each package is imported lazily."""
