"""Crystals and batches as objects of other packages, and back; each package is imported lazily."""

from matsciml_core.interfaces.converters._packages import import_package

__all__ = ["import_package"]
