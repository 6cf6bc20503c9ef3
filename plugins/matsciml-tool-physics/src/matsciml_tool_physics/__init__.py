"""Physics of a force model: equation of state, elastic constants, phonons and barriers."""

__version__ = "0.1.0"
