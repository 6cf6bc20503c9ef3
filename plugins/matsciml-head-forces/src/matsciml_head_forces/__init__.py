"""Energies, forces and stress of crystals."""

__version__ = "0.1.0"
